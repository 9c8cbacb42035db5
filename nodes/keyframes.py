"""Pictures in time: first and last frame, and keyframes anywhere."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..conditioning import attach, latent_time
from ..conditioning import keyframes as keys_room
from ..conditioning import timeline as timelines
from ..conditioning.clip import MASK_MODES
from ..conditioning.direct import CONTROLS, Plan, check_clip_vision, direct, join_clip_vision
from ..conditioning.fit import FITS, check_size
from ..errors import InputError
from .report import Report

Keyframes = io.Custom("GENGA_KEYFRAMES")
SAME = -1.0  # strength_low: "as strength"

_STRENGTH = "1 is exact, 0 is as if the picture were absent; between, the model is told to follow loosely (0 to 0.3 "
_STRENGTH += "loose, 0.4 to 0.7 balanced, 0.8 to 1 strict). It scales the mask the model sees, not the picture."
_LOW = (
    "The same for the low-noise expert, which draws detail. -1: as above. Above, the high-noise expert: layout, motion."
)


def _clip_inputs() -> list:
    return [
        io.Conditioning.Input("positive", tooltip="The prompt."),
        io.Conditioning.Input("negative", tooltip="What to avoid. The host ignores it when CFG is 1."),
        io.Vae.Input("vae", tooltip="The Wan 2.1 VAE (Wan 2.2 A14B, AniSora and Phr00t use the same)."),
        io.Int.Input("width", default=832, min=16, max=16384, step=16, tooltip="Multiple of 16."),
        io.Int.Input("height", default=480, min=16, max=16384, step=16, tooltip="Multiple of 16."),
        io.Int.Input(
            "length",
            default=81,
            min=1,
            max=16384,
            step=4,
            tooltip="Frames. Wan makes 4n + 1; other numbers are rounded up, and the node says so. 81 at 16 fps is 5 s.",
        ),
        io.Int.Input("batch_size", default=1, min=1, max=4096, tooltip="Videos at once; each has a seed of its own."),
    ]


def _fit_input():
    return io.Combo.Input(
        "fit",
        options=list(FITS),
        default="crop",
        optional=True,
        tooltip="How a picture of another shape is fitted. crop: cut around the centre. pad: shown whole, the model "
        "draws the borders. stretch: distorted to fit, as AniSora's reference does.",
    )


def _mask_mode_input():
    return io.Combo.Input(
        "mask_mode",
        options=list(MASK_MODES),
        default="exact",
        optional=True,
        tooltip="exact: the picture is that one frame, as in the models' references. hold: it fills the four frames "
        "that share a latent frame; firmer, and no grey frame beside it. Control vace always holds.",
    )


def _shared_inputs() -> list:
    """Optional inputs of both nodes; the timeline comes last, since widget values are positional."""
    return [
        compat.advanced(
            io.Float.Input(
                "boundary",
                default=attach.BOUNDARY_I2V,
                min=0.001,
                max=0.999,
                step=0.001,
                optional=True,
                tooltip="Noise level at which the low-noise expert takes over: 0.9 image to video, 0.875 text to video. "
                "Used only where a strength differs between the experts.",
            )
        ),
        io.Image.Input(
            "start_video",
            optional=True,
            tooltip="Frames of a video to start from, for a denoise below 1. They are cropped to the size and cut or "
            "held to the length.",
        ),
        io.String.Input(
            "timeline",
            default=timelines.EMPTY,
            optional=True,
            socketless=True,
            tooltip="The keyframes set on the node itself, as JSON. Added to the wired ones.",
        ),
    ]


def _outputs() -> list:
    return [
        io.Conditioning.Output(display_name="positive", tooltip="The prompt with the pictures."),
        io.Conditioning.Output(display_name="negative", tooltip="The negative prompt with the pictures."),
        io.Latent.Output(display_name="latent", tooltip="The latent to start from: empty, or the start video."),
    ]


def _given(first, second):
    return first if second is None or second == SAME else second


def _run(cls, plan: Plan, positive, negative, vae, keys, **extras) -> io.NodeOutput:
    """What both nodes do once they know their key frames."""
    report = Report(cls)
    done = direct(positive, negative, vae, keys, plan, **extras)
    for note in done.notes:
        report.say(note)
    report.fact(length=done.length, width=plan.width, height=plan.height, keyframes=list(done.frames))
    return io.NodeOutput(done.positive, done.negative, done.latent, ui=report.ui())


class _Timed:
    """What the nodes with a timeline share: the widget is checked before anything runs, its files are watched."""

    @classmethod
    def validate_inputs(cls, width=None, height=None, timeline=""):
        try:
            if isinstance(width, int) and isinstance(height, int):  # None while they come by wire
                check_size(width, height)
            _timeline_files(timeline)
        except InputError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, timeline="", **_others):
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in _timeline_files(timeline)]


def _timeline_files(text):
    return timelines.files(text) if isinstance(text, str) else []


class WanFFLF(_Timed, io.ComfyNode):
    @classmethod
    def define_schema(cls):
        strength = {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01, "optional": True}
        low = strength | {"default": SAME, "min": SAME, "tooltip": _LOW}
        return compat.schema(
            node_id="GengaWanFFLF",
            display_name="First + Last Frame (Wan)",
            category="Genga/conditioning",
            search_aliases=["WanFFLF", "FFLF", "FLF2V", "first last frame", "I2V", "image to video"],
            description="Image to video with a first frame, a last frame, both, or none. None is text to video: on an I2V "
            "model such as AniSora V3.2 that means an all-generate mask over a grey clip, which works but was not what "
            "the model was trained for; a T2V model does it better. Say in the prompt what the transition is.",
            inputs=[
                *_clip_inputs(),
                io.Image.Input("first_image", optional=True, tooltip="The first frame. Only this one: image to video."),
                io.Image.Input("last_image", optional=True, tooltip="The last frame. It may come without a first."),
                io.Float.Input(
                    "first_strength", tooltip="How strictly the first frame is kept. " + _STRENGTH, **strength
                ),
                io.Float.Input(
                    "last_strength", tooltip="How strictly the last frame is kept. " + _STRENGTH, **strength
                ),
                io.ClipVisionOutput.Input(
                    "clip_vision_first",
                    optional=True,
                    tooltip="The first frame through CLIP vision, for Wan 2.1 I2V models.",
                ),
                io.ClipVisionOutput.Input(
                    "clip_vision_last",
                    optional=True,
                    tooltip="The last frame through CLIP vision, for Wan 2.1 FLF2V models.",
                ),
                io.Combo.Input(
                    "control",
                    options=list(CONTROLS),
                    default="inpaint",
                    optional=True,
                    tooltip="inpaint: I2V models (AniSora, Wan I2V, Phr00t I2V). vace: VACE models (Phr00t MEGA).",
                ),
                _fit_input(),
                _mask_mode_input(),
                compat.advanced(io.Float.Input("first_strength_low", **low)),
                compat.advanced(io.Float.Input("last_strength_low", **low)),
                *map(compat.advanced, _noise_inputs()),
                *_shared_inputs(),
            ],
            outputs=_outputs(),
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, positive, negative, vae, width, height, length, batch_size=1, first_image=None, last_image=None,
        first_strength=1.0, last_strength=1.0, clip_vision_first=None, clip_vision_last=None, control="inpaint",
        fit="crop", mask_mode="exact", first_strength_low=SAME, last_strength_low=SAME, noise_aug=0.0, noise_aug_seed=0,
        boundary=attach.BOUNDARY_I2V, start_video=None, timeline="",
    ) -> io.NodeOutput:  # fmt: skip
        plan = Plan(width, height, length, batch_size, control, fit, mask_mode, "none", boundary)
        noise = {"noise_aug": noise_aug, "noise_seed": noise_aug_seed}
        ends = (
            (first_image, 0, first_strength, first_strength_low, "first_image"),
            (last_image, -1, last_strength, last_strength_low, "last_image"),
        )
        keys = [
            keys_room.Keyframe(image, frame, strength, _given(strength, low), name=name, **noise)
            for image, frame, strength, low, name in ends
            if image is not None
        ]
        keys += _ends_only(timeline, plan.length)
        if plan.length == 1 and last_image is not None:
            raise InputError("length", "1 frame has no last frame besides its first", "Use 5 or more.")
        vision = join_clip_vision(clip_vision_first, clip_vision_last)
        return _run(cls, plan, positive, negative, vae, keys, clip_vision=vision, start_video=start_video)


def _noise_inputs() -> list:
    return [
        io.Float.Input(
            "noise_aug",
            default=0.0,
            min=0.0,
            max=10.0,
            step=0.001,
            optional=True,
            tooltip="Noise added to the picture before the VAE, in units of its -1..1 pixels: more motion, less exact. "
            "0 is off; 0.02 to 0.1 is usual.",
        ),
        io.Int.Input(
            "noise_aug_seed",
            default=0,
            min=0,
            max=0xFFFFFFFF,
            optional=True,
            tooltip="Seed of that noise, so that a run repeats.",
        ),
    ]


def _ends_only(text: str, length: int) -> list[keys_room.Keyframe]:
    """The timeline's key frames; this node has only the first and the last frame."""
    last = latent_time.round_length(length) - 1
    keys = timelines.load(text)
    for key in keys:
        if latent_time.resolve_index(key.frame, last + 1, f"{key.name} frame")[0] not in (0, last):
            remedy = f"Use 0 or {last}, or place keyframes anywhere with Arbitrary Keyframes."
            raise InputError(f"{key.name} frame", f"{key.frame} is neither the first nor the last frame", remedy)
    return keys


class Keyframe(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaKeyframe",
            display_name="Keyframe",
            category="Genga/conditioning",
            search_aliases=["Keyframe", "key frame", "genga"],
            description="One picture at one moment. Chain several through keyframes and wire the last into Arbitrary "
            "Keyframes. With a mask the picture applies only where the mask is white; elsewhere the model draws freely.",
            inputs=[
                io.Image.Input("image", tooltip="The picture: one, RGB, any size."),
                io.Int.Input(
                    "frame_index",
                    default=0,
                    min=-16384,
                    max=16384,
                    tooltip="0 is the first frame, -1 the last, -2 the one before. The video's length itself is taken as "
                    "the last frame.",
                ),
                io.Float.Input("strength", default=1.0, min=0.0, max=1.0, step=0.01, optional=True, tooltip=_STRENGTH),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White where the picture applies (localized guidance), black where not.",
                ),
                Keyframes.Input("keyframes", optional=True, tooltip="The keyframes so far."),
                compat.advanced(
                    io.Float.Input(
                        "strength_low", default=SAME, min=SAME, max=1.0, step=0.01, optional=True, tooltip=_LOW
                    )
                ),
                *map(compat.advanced, _noise_inputs()),
            ],
            outputs=[Keyframes.Output(display_name="keyframes", tooltip="The keyframes so far and this one.")],
        )

    @classmethod
    def execute(
        cls,
        image,
        frame_index,
        strength=1.0,
        mask=None,
        keyframes=None,
        strength_low=SAME,
        noise_aug=0.0,
        noise_aug_seed=0,
    ) -> io.NodeOutput:
        chain = _chain(keyframes)
        name = f"keyframe {len(chain) + 1}"
        low = _given(strength, strength_low)
        key = keys_room.Keyframe(image, frame_index, strength, low, mask, noise_aug, noise_aug_seed, name)
        return io.NodeOutput((*chain, keys_room.check(key)))


def _chain(keyframes) -> tuple[keys_room.Keyframe, ...]:
    keys = () if keyframes is None else keyframes
    if not isinstance(keys, tuple) or not all(isinstance(key, keys_room.Keyframe) for key in keys):
        raise InputError(
            "keyframes", f"this is no chain of keyframes but {type(keys).__name__}", "Wire a Keyframe node."
        )
    return keys


class ArbitraryKeyframes(_Timed, io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaArbitraryKeyframes",
            display_name="Arbitrary Keyframes",
            category="Genga/conditioning",
            search_aliases=["ArbitraryKeyframes", "keyframes", "in-between", "AF"],
            description="Pictures at any frames of the video, for AniSora V3.2 and other Wan I2V models: one anywhere, or "
            "many, each with its strength and its mask. Describe the whole movement in the prompt, not the single frames.",
            inputs=[
                *_clip_inputs(),
                Keyframes.Input("keyframes", optional=True, tooltip="The last Keyframe node of the chain."),
                _fit_input(),
                _mask_mode_input(),
                io.Combo.Input(
                    "snap",
                    options=list(latent_time.SNAPS),
                    default="latent",
                    optional=True,
                    tooltip="Grid the frames are moved to. latent: multiples of 4, where a picture ends a latent frame. "
                    "anisora: multiples of 8, the reference's own. none: the exact frame, which the models were not "
                    "trained on.",
                ),
                io.ClipVisionOutput.Input(
                    "clip_vision_output",
                    optional=True,
                    tooltip="The first keyframe through CLIP vision, for Wan 2.1 based models (AniSora V3 and V3.1).",
                ),
                *_shared_inputs(),
            ],
            outputs=_outputs(),
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, positive, negative, vae, width, height, length, batch_size=1, keyframes=None, fit="crop",
        mask_mode="exact", snap="latent", clip_vision_output=None, boundary=attach.BOUNDARY_I2V, start_video=None,
        timeline="",
    ) -> io.NodeOutput:  # fmt: skip
        refuse_phr00t(vae)
        asked = (width, height, length, batch_size, "inpaint", fit, mask_mode, snap, boundary)
        plan = Plan(*asked, node="Arbitrary Keyframes", arbitrary=True)
        keys = [*_chain(keyframes), *timelines.load(timeline)]
        if not keys:
            remedy = "Wire a Keyframe node, or add pictures on the timeline. For none, use First + Last Frame."
            raise InputError("keyframes", "there are none", remedy)
        vision = check_clip_vision(clip_vision_output, "clip_vision_output")
        return _run(cls, plan, positive, negative, vae, keys, clip_vision=vision, start_video=start_video)


def refuse_phr00t(vae) -> None:
    """Phr00t's merges take first and last frames only; its loader signs the VAE, so this is known before encoding."""
    if getattr(vae, "genga_family", None) == "phr00t":
        remedy = "Use First + Last Frame with it, or AniSora V3.2 (AniSora Loader) for keyframes anywhere."
        problem = (
            "this is Phr00t's checkpoint, a four-step merge that knows first and last frames but no keyframes between"
        )
        raise InputError("vae", problem, remedy)


NODES = [WanFFLF, Keyframe, ArbitraryKeyframes]
