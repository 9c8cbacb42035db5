"""FramePack: long videos by sections that see what was made before at falling resolution."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from .. import compat
from ..conditioning.framepack import chain as sections_of
from ..conditioning.framepack import indices, one_frame, plan, section
from ..conditioning.latent_place import Place, placed
from ..conditioning.sections import check_chain, notes
from ..errors import InputError
from ..loaders import guard, wan
from ..loaders.framepack import files
from ..loaders.options import LoadOptions
from ..samplers import framepack, registry
from ..samplers import framepack_schedule as schedule
from ..samplers.checks import check_choice, check_numbers
from ..samplers.windows import fingerprint
from ..samplers.windows.progress import Progress
from . import saving, seeds
from .framepack_video import noted, watched
from .loading import option_inputs, report
from .report import Report
from .sampling import SCHEDULERS, sampler_names
from .sections import SectionChain

SECTION = "FramePack Section"


class FramePackLoader(io.ComfyNode):
    """A FramePack model, standard or F1."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaFramePackLoader", display_name="FramePack Loader", category="Genga/loaders",
            description="Loads FramePack, standard or F1, as an ordinary MODEL on ComfyUI's own HunyuanVideo: samplers, "
            "LoRA, EasyCache and low memory work as with any other model.",
            search_aliases=["FramePackLoader", "framepack", "frame pack", "framepack f1", "eichi", "hunyuan video"],
            inputs=[
                io.Combo.Input("model", options=wan.list_files("diffusion_models"),
                               tooltip="FramePackI2V_HY (standard) or FramePack_F1_I2V_HY, .safetensors or .gguf, from "
                               "models/diffusion_models. The weights of both look alike: which one a file is, only its "
                               "name says."),
                *option_inputs(),
            ],
            outputs=[io.Model.Output(display_name="MODEL")],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, base_precision, weight_dtype, attention) -> io.NodeOutput:
        chosen = LoadOptions(base_precision, weight_dtype, attention)
        wan.check_options(chosen)
        path = wan.find("diffusion_models", model, "model")
        facts = files.inspect(path, "model")
        loaded = files.load(path, chosen, facts)
        direction = "F1 (forward)" if facts.kind == "f1" else "standard (from the end backwards)"
        notes = [f"{model} is {facts.what}; by its name it draws {direction}.", *loaded.notes]
        return io.NodeOutput(loaded.model, ui=report(cls, notes))


def _direction_input():
    return io.Combo.Input(
        "direction", options=list(plan.DIRECTIONS), default=plan.STANDARD,
        tooltip="standard: the end of the video is drawn first, then what comes before it, back to the start: faces and "
        "colours do not drift. f1: forward from the start, livelier. It must be the kind of the model: a standard file "
        "for standard, an F1 file for f1.",
    )  # fmt: skip


def _window_input():
    return io.Int.Input(
        "window", default=plan.WINDOW, min=1, max=64,
        tooltip="Latent frames of a section: 9 is about a second (36 frames at 30 fps), 5 about 0.7 s (20 frames).",
    )  # fmt: skip


def _picture_inputs() -> list:
    return [
        io.Latent.Input("end_latent", optional=True,
                        tooltip="The last picture of the video, encoded. For standard only; F1 knows no end."),
        io.Float.Input("end_strength", default=1.0, min=0.01, max=1.0, step=0.01, optional=True,
                       tooltip="How strongly the end picture holds: its latent is multiplied by this. 1 is as it is."),
        io.ClipVisionOutput.Input("clip_vision_output", optional=True,
                                  tooltip="The start picture through SigLIP (sigclip_vision_patch14_384) by CLIP Vision "
                                  "Encode with crop none. FramePack was trained with it."),
    ]  # fmt: skip


class FramePackSection(io.ComfyNode):
    """One section for any sampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaFramePackSection", display_name=SECTION, category="Genga/conditioning",
            description="One section of a FramePack video as conditioning and an empty latent, for any sampler. Join the "
            "result with what was made before, and give that to the next section as history.",
            search_aliases=["FramePackSection", "framepack conditioning", "framepack f1", "section", "eichi"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="This section's prompt, from HunyuanVideo's text encoders."),
                io.Conditioning.Input("negative", tooltip="What to avoid; at CFG 1, which FramePack is made for, "
                                      "ComfyUI does not use it."),
                io.Latent.Input("start_latent", tooltip="The first picture of the video through the HunyuanVideo VAE. "
                                "Its size is the video's; 16 must divide width and height."),
                _direction_input(),
                _window_input(),
                io.Float.Input("padding", default=0.0, min=0.0, max=100.0, step=0.1,
                               tooltip="standard: how many windows lie between the start and this section. 0 is the one "
                               "that follows the start, which is drawn last. f1 has none."),
                io.Latent.Input("history", optional=True,
                                tooltip="What was made before. standard: the sections that follow this one in time. f1: "
                                "the whole video so far, with its start. 19 latent frames of it are seen."),
                io.Latent.Input("keyframe_latent", optional=True,
                                tooltip="standard: a picture for this section in place of the start picture."),
                *_picture_inputs(),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive"), io.Conditioning.Output(display_name="negative"),
                io.Latent.Output(display_name="latent", tooltip="Empty, of this section's size."),
                io.Float.Output(display_name="shift", tooltip="The shift that the reference uses for this size: for "
                                "ModelSamplingSD3, where it is not 7."),
            ],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, start_latent, direction, window, padding, history=None, keyframe_latent=None,
                end_latent=None, end_strength=1.0, clip_vision_output=None) -> io.NodeOutput:  # fmt: skip
        said = Report(cls)
        check_numbers(padding=padding, end_strength=end_strength)
        for name, prompt in (("positive", positive), ("negative", negative)):
            section.check_prompt(prompt, name)
        section.check_vision(clip_vision_output)
        given = {"history": history, "keyframe_latent": keyframe_latent, "end_latent": end_latent}
        latents = {name: None if each is None else section.latent_of(each, name) for name, each in given.items()}
        start = section.latent_of(start_latent, "start_latent")
        section.same_size(start, **latents)
        for name in ("keyframe_latent", "end_latent"):
            if direction == plan.F1 and latents[name] is not None:
                said.say(f"{name}: F1 goes forward from its start and sees no other picture; it is not used.")
        end = section.weakened(latents["end_latent"], end_strength)
        seen = section.Seen(start, latents["history"], end, latents["keyframe_latent"])
        positions = indices.positions(direction, window, int(padding * window) if direction != plan.F1 else 0)
        clean = section.clean(direction, seen)
        shift = schedule.shift(window, *start.shape[-2:])
        said.say(f"{4 * window} frames ({4 * window / plan.FPS:.2f} s) at times {positions.target[0]} to "
                 f"{positions.target[-1]}; the reference's shift is {shift:.2f}.")  # fmt: skip
        made = [section.attach(each, positions, clean, SECTION, clip_vision_output) for each in (positive, negative)]
        empty = {"samples": start.new_zeros((1, section.CHANNELS, window, *start.shape[-2:]))}
        return io.NodeOutput(*made, empty, shift, ui=said.ui())


def _length_inputs() -> list:
    return [
        _direction_input(),
        io.Float.Input("seconds", default=5.0, min=0.1, max=3600.0, step=0.1,
                       tooltip="Length of the video at 30 fps, rounded to whole sections; the node says what came of it: "
                       "36 n + 1 frames for window 9."),
        _window_input(),
        seeds.seed_input("One generator draws the noise of all sections in turn, as in the reference. -1 draws a seed "
                         "and reports it."),
        io.Int.Input("steps", default=25, min=1, max=1000, tooltip="Steps of each section; the reference uses 25."),
        io.Float.Input("cfg", default=1.0, min=0.0, max=100.0, step=0.1,
                       tooltip="1 is what FramePack is made for: its guidance is distilled, 10 unless FluxGuidance sets "
                       "another. More than 1 uses the negative prompt and takes twice as long."),
        io.Combo.Input("sampler_name", options=sampler_names(), default="uni_pc",
                       tooltip="Any sampler. uni_pc is nearest to the reference's."),
        io.Combo.Input("scheduler", options=[framepack.OWN, *SCHEDULERS], default=framepack.OWN,
                       tooltip="framepack: the reference's noise levels, whose shift grows with the size of the section "
                       "up to 7. The others are ComfyUI's, with the model's own shift."),
        io.String.Input("padding", default="auto",
                        tooltip="standard: windows of time between the start and each section. auto: as the reference "
                        "counts down (3, 2, 2, 1, 0). One number from 0.2 to 3: the same for all but the last. A list: "
                        "one for each section, the end of the video first."),
        io.Combo.Input("fill", options=list(plan.FILLS), default="none",
                       tooltip="standard, for the pictures of sections: even-odd copies that of section 0 (the end of the "
                       "video) to all even sections without one, that of section 1 to the odd ones."),
        io.Boolean.Input("loop", default=False,
                         tooltip="standard: the start picture is the end picture, too."),
        io.Boolean.Input("resume", default=True,
                         tooltip="On: finished sections are taken from the store where nothing they depend on has changed: "
                         "a cancelled run goes on where it stopped, and another prompt for one section makes only the "
                         "sections drawn from there on. Off: all are made anew."),
    ]  # fmt: skip


def _more_inputs() -> list:
    return [
        SectionChain.Input("sections", optional=True,
                           tooltip="From a moment on, another prompt, another picture (standard), or both, by Sections."),
        io.Vae.Input("vae", optional=True, tooltip="The HunyuanVideo VAE, for the pictures of sections and the video so far."),
        *_picture_inputs(),
        io.Float.Input("image_influence", default=1.0, min=1.0, max=1.02, step=0.001, round=0.0001, optional=True,
                       tooltip="f1: every section starts from noise with so much of the start picture in it: 1.02 is 2 %. "
                       "1 is off."),
        compat.advanced(io.Float.Input("store_gb", default=20.0, min=0.0, max=100000.0, step=1.0, optional=True,
                        tooltip="Gigabytes that finished sections and windows may take in ComfyUI's user folder; the "
                        "longest unused go first, never those of this run.")),
        compat.advanced(io.Float.Input("store_days", default=14.0, min=0.0, max=3650.0, step=1.0, optional=True,
                        tooltip="Days after which an unused one goes.")),
        io.Boolean.Input("video_so_far", default=True, optional=True,
                         tooltip="Shows the sections that are there on the node, as a video that grows. Before each section "
                         "the one before it goes through the VAE for it; wire vae."),
    ]  # fmt: skip


class FramePackSampler(io.ComfyNode):
    """All sections of a video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaFramePackSampler", display_name="FramePack Sampler", category="Genga/sampling",
            description="Draws a FramePack video section by section, standard or F1: prompts and pictures per section, end "
            "picture, loop. Finished sections are kept, so a cancelled run goes on where it stopped.",
            search_aliases=["FramePackSampler", "framepack", "framepack f1", "eichi", "long video"],
            inputs=[
                io.Model.Input("model", tooltip="From FramePack Loader, with LoRAs or without."),
                io.Conditioning.Input("positive", tooltip="The prompt, from HunyuanVideo's text encoders."),
                io.Conditioning.Input("negative", tooltip="What to avoid; used where CFG is not 1."),
                io.Latent.Input("start_latent", tooltip="The first picture of the video through the HunyuanVideo VAE. "
                                "Its size is the video's; 16 must divide width and height."),
                *_length_inputs(),
                *_more_inputs(),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The whole video, start included: for FramePack Decode, or "
                                 "VAE Decode."),
                io.Int.Output(display_name="frames", tooltip="How many frames the video has."),
                io.Int.Output(display_name="sections", tooltip="How many sections it was drawn in."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, seed=None, **_others):
        return seeds.fresh(seed)

    @classmethod
    def execute(cls, model, positive, negative, start_latent, direction, seconds, window, seed, steps, cfg, sampler_name,
                scheduler, padding, fill, loop, resume, sections=None, vae=None, end_latent=None, end_strength=1.0,
                clip_vision_output=None, image_influence=1.0, store_gb=20.0, store_days=14.0,
                video_so_far=True) -> io.NodeOutput:  # fmt: skip
        said = Report(cls)
        check_numbers(cfg=cfg)
        saving.check_limits(store_gb, store_days)
        check_choice("sampler_name", sampler_name, sampler_names())
        check_choice("scheduler", scheduler, (framepack.OWN, *SCHEDULERS))
        framepack.check_influence(image_influence, direction)
        section.check_vision(clip_vision_output)
        for name, prompt in (("positive", positive), ("negative", negative)):
            section.check_prompt(prompt, name)
        start = section.latent_of(start_latent, "start_latent")
        end = _end(said, start, end_latent, end_strength, loop, direction)
        count = plan.count(seconds, window)
        windows = tuple(plan.windows(direction, count, window, plan.parse_padding(padding)))
        chain = check_chain(sections)
        usual = framepack.Told(positive, clip_vision_output)
        told = _told(said, chain, usual, vae, start, direction, count, window, fill)
        drawn = seeds.drawn(said, seed)
        frames = plan.frames(count, window)
        said.say(f"{count} section{'s' * (count != 1)}, {frames} frames, {frames / plan.FPS:.2f} s at {plan.FPS} fps.")
        guard.check_model(model, section.marked(positive, framepack.NODE))
        for doubt in framepack.doubts(model, direction, sampler_name, steps):
            said.say(doubt)
        sigmas = framepack.noise_levels(model, steps, scheduler, (window, *start.shape[-2:]))
        lineage = fingerprint.lineage(said.prompt, said.node_id, ("model",))
        job = framepack.Job(model, negative, start, direction, window, windows, told, drawn, cfg,
                            registry.sampler(sampler_name), sigmas, end, image_influence, resume, lineage)  # fmt: skip
        with saving.store(store_gb, store_days) as store:
            with watched(said, start, direction, window, count, vae if video_so_far else None) as so_far:
                result = framepack.run(job, store, Progress(count, job.steps, said.hint, part="section"), so_far)
            for note in store.notes:
                said.say(note)
        if result.reused:
            said.say(f"{result.reused} of {count} sections came from the store.")
        said.fact(sections=count, frames=frames, direction=direction, window=window, reused=result.reused)
        latent = placed({"samples": result.latent, **noted(direction, window)}, Place(fps=plan.FPS))
        return io.NodeOutput(latent, frames, count, ui=said.ui())


def _end(said: Report, start, end_latent, strength: float, loop: bool, direction: str):
    """The end picture's latent times its strength, or None."""
    if direction == plan.F1:
        if loop or end_latent is not None:
            said.say(f"{'loop' if loop else 'end_latent'}: F1 goes forward and sees no end; it is not used.")
        return None
    if loop and end_latent is not None:
        raise InputError("loop", "an end_latent is wired, too", "Set loop off, or take the wire of end_latent away.")
    end = start if loop else None if end_latent is None else section.latent_of(end_latent, "end_latent")
    section.same_size(start, end_latent=end)
    return section.weakened(end, strength)


def _told(said: Report, chain, usual, vae, start, direction: str, count: int, window: int, fill: str) -> tuple:
    """What every section is told, in the order they are drawn."""
    for each in chain:
        if each.positive is not None:
            section.check_prompt(each.positive, "sections")
    keyed = sections_of.numbers(chain, direction, count, window)
    if keyed and direction == plan.F1:
        said.say("sections: F1 sees no picture but its start; the pictures of sections are not used.")
        keyed = {}
    for note in notes(chain, [4 * window * time for time in range(count)], plan.frames(count, window), sections_of.FPS):
        said.say(note)
    given = {number: sections_of.encode(each.image, vae, start) for number, each in keyed.items()}
    keys = framepack.keyframes(given, count, fill)
    held = sections_of.held(chain, direction, count, window)
    return tuple(
        framepack.Told(now.positive or usual.positive, now.clip_vision or usual.vision, keys.get(number))
        for number, now in enumerate(held)
    )


class FramePackOneFrame(io.ComfyNode):
    """One picture at a chosen time."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaFramePackOneFrame", display_name="FramePack One Frame", category="Genga/conditioning",
            description="One picture instead of a video: the input picture as it would be at another time, with what a "
            "reference picture shows (clothes, for one). For any sampler, with the standard model.",
            search_aliases=["FramePackOneFrame", "kisekaeichi", "one frame", "framepack 1f", "change clothes", "oichi"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="The prompt, from HunyuanVideo's text encoders."),
                io.Conditioning.Input("negative", tooltip="What to avoid; used where CFG is not 1."),
                io.Latent.Input("input_latent", tooltip="The input picture through the HunyuanVideo VAE; it stands at time "
                                "0. Its size is the result's; 16 must divide width and height."),
                io.Int.Input("target_index", default=1, min=0, max=indices.ONE_FRAME_LIMIT,
                             tooltip="The time of the picture that is drawn, in latent frames: 1 is near the input and "
                             "changes little, 8 (without a reference) changes more."),
                io.Int.Input("history_index", default=13, min=0, max=indices.ONE_FRAME_LIMIT,
                             tooltip="The time at which the reference stands. 13 is advised; 16 is the original default."),
                io.Latent.Input("reference_latent", optional=True,
                                tooltip="The picture to take from, encoded, of the same size. Without one the input alone "
                                "is shown."),
                io.Mask.Input("input_mask", optional=True,
                              tooltip="White: what of the input is shown to the model. Black parts are not."),
                io.Mask.Input("reference_mask", optional=True,
                              tooltip="White: what of the reference is shown to the model, the clothes for one."),
                io.ClipVisionOutput.Input("clip_vision_output", optional=True,
                                          tooltip="The input picture through SigLIP (sigclip_vision_patch14_384) by CLIP "
                                          "Vision Encode with crop none."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive"), io.Conditioning.Output(display_name="negative"),
                io.Latent.Output(display_name="latent", tooltip="Empty, one frame of the input's size."),
                io.Float.Output(display_name="shift", tooltip="The shift that the reference uses for this size: for "
                                "ModelSamplingSD3; about 2 for 608 x 640."),
            ],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, input_latent, target_index, history_index, reference_latent=None, input_mask=None,
                reference_mask=None, clip_vision_output=None) -> io.NodeOutput:  # fmt: skip
        said = Report(cls)
        for name, prompt in (("positive", positive), ("negative", negative)):
            section.check_prompt(prompt, name)
        section.check_vision(clip_vision_output)
        shown = section.latent_of(input_latent, "input_latent")
        frames = [one_frame.masked(shown, input_mask, "input_mask")]
        times = (0,) if reference_latent is None else (0, history_index)
        if reference_latent is not None:
            reference = section.latent_of(reference_latent, "reference_latent")
            section.same_size(shown, "input_latent", reference_latent=reference)
            frames.append(one_frame.masked(reference, reference_mask, "reference_mask").to(shown))
        elif reference_mask is not None:
            raise InputError("reference_mask", "there is no reference_latent", "Wire the reference, or no mask.")
        positions = indices.one_frame(target_index, times)
        shift = schedule.shift(1, *shown.shape[-2:])
        said.say(f"one frame at time {target_index}; the reference's shift is {shift:.2f}.")
        clean = {1: torch.cat(frames, 2)}
        made = [section.attach(each, positions, clean, "FramePack One Frame", clip_vision_output)
                for each in (positive, negative)]  # fmt: skip
        return io.NodeOutput(*made, {"samples": torch.zeros_like(shown[:, :, :1])}, shift, ui=said.ui())


NODES = [FramePackLoader, FramePackSection, FramePackSampler, FramePackOneFrame]
