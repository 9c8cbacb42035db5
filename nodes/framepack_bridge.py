"""Two FramePack videos joined by latent frames drawn between them."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..conditioning.framepack import plan, section
from ..conditioning.latent_place import Place, placed
from ..errors import InputError
from ..loaders import guard
from ..samplers import framepack, registry
from ..samplers import framepack_bridge as room
from ..samplers.checks import check_choice, check_numbers
from ..samplers.windows.progress import Progress
from . import seeds
from .report import Report
from .sampling import SCHEDULERS, sampler_names


def _joint_inputs() -> list:
    return [
        io.Latent.Input("first_latent", tooltip="The video that comes first, of FramePack Sampler or a file."),
        io.Latent.Input("second_latent", tooltip="The video that follows, of the same size."),
        io.Int.Input("bridge", default=9, min=0, max=room.MOST_FRAMES,
                     tooltip="Latent frames drawn between the two: 9 are 1.2 s, 6 to 9 are advised. 0 puts one behind the "
                     "other."),
        io.Int.Input("trim_end", default=0, min=0, max=room.MOST_TRIM_END,
                     tooltip="Latent frames cut from the end of the first video."),
        io.Int.Input("trim_start", default=1, min=0, max=room.MOST_TRIM_START,
                     tooltip="Latent frames cut from the start of the second video. Its first one holds a single picture, "
                     "which would stand still for four frames in the middle of a video: 1 leaves it out."),
    ]  # fmt: skip


def _sampling_inputs() -> list:
    return [
        seeds.seed_input("Of the bridge's noise. -1 draws a seed and reports it."),
        io.Int.Input("steps", default=25, min=1, max=1000, tooltip="Steps of the bridge; the reference uses 25."),
        io.Float.Input("cfg", default=1.0, min=0.0, max=100.0, step=0.1,
                       tooltip="1 is what FramePack is made for; more uses the negative prompt and takes twice as long."),
        io.Combo.Input("sampler_name", options=sampler_names(), default="uni_pc",
                       tooltip="Any sampler. uni_pc is nearest to the reference's."),
        io.Combo.Input("scheduler", options=[framepack.OWN, *SCHEDULERS], default=framepack.OWN,
                       tooltip="framepack: the reference's noise levels for this size. The others are ComfyUI's."),
        io.ClipVisionOutput.Input("clip_vision_output", optional=True,
                                  tooltip="The first picture of the second video through SigLIP, by CLIP Vision Encode with "
                                  "crop none."),
    ]  # fmt: skip


class FramePackBridge(io.ComfyNode):
    """Joins two videos."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaFramePackBridge", display_name=room.NODE, category="Genga/sampling",
            description="Joins two FramePack videos by latent frames drawn between them, so that one leads to the other. "
            "For the standard model.",
            search_aliases=["FramePackBridge", "framepack join", "tensor combine", "eichi", "interpolate videos", "bridge"],
            inputs=[
                io.Model.Input("model", tooltip="A standard FramePack model (not F1) from FramePack Loader."),
                io.Conditioning.Input("positive", tooltip="What happens between the two, from HunyuanVideo's encoders."),
                io.Conditioning.Input("negative", tooltip="What to avoid; used where CFG is not 1."),
                *_joint_inputs(),
                *_sampling_inputs(),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="Both videos and the bridge between them."),
                io.Int.Output(display_name="frames", tooltip="How many frames that are, at 30 a second."),
            ],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, seed=None, **_others):
        return seeds.fresh(seed)

    @classmethod
    def execute(cls, model, positive, negative, first_latent, second_latent, bridge, trim_end, trim_start, seed, steps, cfg,
                sampler_name, scheduler, clip_vision_output=None) -> io.NodeOutput:  # fmt: skip
        said = Report(cls)
        check_numbers(cfg=cfg)
        check_choice("sampler_name", sampler_name, sampler_names())
        check_choice("scheduler", scheduler, (framepack.OWN, *SCHEDULERS))
        if not 0 <= bridge <= room.MOST_FRAMES:
            raise InputError("bridge", f"{bridge} latent frames is outside 0 to {room.MOST_FRAMES}", "Use 6 to 9.")
        for name, prompt in (("positive", positive), ("negative", negative)):
            section.check_prompt(prompt, name)
        section.check_vision(clip_vision_output)
        first = section.latent_of(first_latent, "first_latent")
        second = section.latent_of(second_latent, "second_latent").to(first)
        section.same_size(first, "first_latent", second_latent=second)
        first, second = room.trimmed(first, second, trim_end, trim_start)
        drawn = None
        if bridge:
            guard.check_model(model, section.marked(positive, room.NODE))
            for doubt in framepack.doubts(model, plan.STANDARD, sampler_name, steps):
                said.say(doubt)
            sigmas = framepack.noise_levels(model, steps, scheduler, (bridge, *first.shape[-2:]))
            job = room.Bridge(model, positive, negative, first, second, bridge, seeds.drawn(said, seed), cfg,
                              registry.sampler(sampler_name), sigmas, clip_vision_output)  # fmt: skip
            drawn = room.draw(job, Progress(1, job.steps, said.hint))
        latent = room.joined(first, drawn, second)
        place = Place(fps=plan.FPS)
        frames = place.frames(latent.shape[2])
        parts = f"{first.shape[2]} + {bridge} + {second.shape[2]} latent frames"
        said.say(f"{parts}: {frames} frames, {frames / plan.FPS:.2f} s at {plan.FPS} fps.")
        return io.NodeOutput(placed({"samples": latent}, place), frames, ui=said.ui())


NODES = [FramePackBridge]
