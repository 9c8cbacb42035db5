"""A talking person, as long as the speech: windows for InfiniteTalk."""

from __future__ import annotations

import math
from functools import partial

import comfy.model_management
import comfy.utils
from comfy_api.latest import io

from .. import compat, places
from ..conditioning import sections as section_room
from ..conditioning import speech, speech_pair, talk, talk_heard, talk_masks, talk_pictures
from ..errors import InputError
from ..loaders import talk as hearing
from ..samplers.windows import plan as planning
from ..samplers.windows.provider import Windows
from .report import Report
from .sections import SectionChain

WindowsType = io.Custom("GENGA_WINDOWS")
LONGEST = 9_000_000  # frames: a hundred hours


def _picture_inputs() -> list:
    return [
        io.Vae.Input("vae", tooltip="The Wan 2.1 VAE."),
        io.MultiType.Input(
            "start_image",
            types=[io.Image, io.Video],
            tooltip="The portrait: one picture. Several pictures, or a VIDEO, together with reference_by time: a moving "
            "reference.",
        ),
        io.ClipVisionOutput.Input(
            "clip_vision_output", optional=True, tooltip="The portrait through CLIP vision (clip_vision_h)."
        ),
        io.Audio.Input(
            "audio", tooltip="The speech. Its length is the video's. Any rate and channels; read as 16 kHz mono."
        ),
        io.AudioEncoder.Input("audio_encoder", tooltip="wav2vec2 base, from Load Audio Encoder: the Chinese one."),
    ]


def _size_inputs() -> list:
    return [
        io.Int.Input("width", default=832, min=16, max=16384, step=16, tooltip="Multiple of 16."),
        io.Int.Input("height", default=480, min=16, max=16384, step=16, tooltip="Multiple of 16."),
        io.Int.Input(
            "length",
            default=0,
            min=0,
            max=LONGEST,
            tooltip="Frames, 25 a second. 0: as long as the audio. Fewer cut the audio; more go on in silence, with the "
            "end of the speech read backwards.",
        ),
        io.Int.Input(
            "frame_window",
            default=talk.TRAINED_WINDOW,
            min=5,
            max=1001,
            step=4,
            tooltip="Frames drawn at once. 81 is what the model was trained on. Made 4n + 1 by rounding up.",
        ),
        io.Int.Input(
            "motion_frames",
            default=talk.TRAINED_MOTION,
            min=1,
            max=201,
            step=4,
            tooltip="Frames of the window before that the next one goes on from. 9 is best. Made 4n + 1 by rounding up.",
        ),
        io.Float.Input(
            "audio_scale",
            default=1.0,
            min=-10.0,
            max=10.0,
            step=0.01,
            tooltip="How strongly the speech moves the face, inside the model. 1 is trained; see also Audio Guider.",
        ),
    ]


def _speaker_inputs() -> list:
    return [
        io.Audio.Input(
            "audio_2", optional=True, tooltip="The second speaker. Needs both masks, and the Multi weights."
        ),
        io.Mask.Input("mask_1", optional=True, tooltip="White where the speaker of audio is in start_image."),
        io.Mask.Input(
            "mask_2", optional=True, tooltip="White where the speaker of audio_2 is. No overlap with mask_1."
        ),
        SectionChain.Input(
            "sections", optional=True, tooltip="The last Sections node: other prompts and pictures from a moment on."
        ),
        io.Combo.Input(
            "two_speakers",
            options=list(speech_pair.MODES),
            default="para",
            optional=True,
            tooltip="para: both sounds from the start, for a dialogue recorded on two tracks. add: audio_2 after audio.",
        ),
        io.Combo.Input(
            "reference_by",
            options=list(talk_pictures.CHOICES),
            default="fixed",
            optional=True,
            tooltip="fixed: the first picture is the reference of every window. time: each window takes what "
            "start_image, a video, shows at the window's first moment; a slow pan keeps long videos lively.",
        ),
        compat.advanced(
            io.Float.Input(
                "reference_fps",
                default=25.0,
                min=0.01,
                max=1000.0,
                step=0.001,
                optional=True,
                tooltip="Frames per second of start_image where it is a batch and reference_by is time. A VIDEO knows "
                "its own.",
            )
        ),
    ]


class InfiniteTalkWindow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaInfiniteTalkWindow",
            display_name="InfiniteTalk Windows",
            category="Genga/conditioning",
            search_aliases=["InfiniteTalkWindow", "InfiniteTalk", "MultiTalk", "talking head", "lip sync", "speech"],
            description="A portrait and a speech become the windows of a talking video, as long as the speech and in "
            "constant memory. Wire windows into Window Sampler; the model comes from InfiniteTalk Loader, the prompt "
            "and CFG from Audio Guider.",
            inputs=[*_picture_inputs(), *_size_inputs(), *_speaker_inputs()],
            outputs=[
                WindowsType.Output(display_name="genga_windows", tooltip="For Window Sampler and Continue Video."),
                io.Int.Output(display_name="frames", tooltip="Frames of the video, 25 a second."),
                io.Int.Output(display_name="windows", tooltip="How many windows that takes."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, vae, start_image, audio, audio_encoder, width, height, length, frame_window, motion_frames, audio_scale,
        clip_vision_output=None, audio_2=None, mask_1=None, mask_2=None, sections=None, two_speakers="para",
        reference_by="fixed", reference_fps=25.0,
    ) -> io.NodeOutput:  # fmt: skip
        chain = section_room.check_chain(sections)
        _check_numbers(length, audio_scale, two_speakers)
        planning.make(max(1, length), frame_window, motion_frames)  # bad numbers show before the audio is read
        two = talk_masks.check_speakers(audio_2, mask_1, mask_2)
        picture, notes = talk_pictures.pictures(start_image, reference_by, reference_fps)
        person = talk.Talk(vae, width, height, picture, (), clip_vision_output, audio_scale, chain=chain)
        talk.check(person)
        speakers = talk_masks.speaker_classes(mask_1, mask_2, width, height) if two else None
        speeches = _speeches(audio, audio_2, two_speakers, audio_encoder)
        plan = planning.make(length or speeches[0].frames, frame_window, motion_frames)
        notes += _about(plan, speeches, chain, clip_vision_output is not None)
        provider = talk.with_speech(person, speeches, speakers)
        sound, more = talk_heard.together(audio, audio_2, two_speakers) if two else (audio, ())
        report = Report(cls)
        count = len(plan.windows)
        shared = f" ({plan.overlap} shared)" if count > 1 else ""
        report.say(f"{plan.length} frames, {count} window{'s' * (count > 1)} of {plan.window}{shared}")
        for note in dict.fromkeys((*notes, *more)):
            report.say(note)
        report.fact(length=plan.length, width=width, height=height, windows=count, motion_frames=plan.overlap)
        told = partial(_sections_in, chain)
        windows = Windows(plan, provider, talk.FPS, sound, notes=plan.notes, fits=partial(_check_hears, two), told=told)
        return io.NodeOutput(windows, plan.length, count, ui=report.ui(genga_windows=(plan.facts(talk.FPS),)))


def _check_hears(two: bool, model) -> None:
    """Raises for a model in the guider that cannot follow the speech."""
    facts = hearing.facts_of(model)
    if facts is None:
        problem = "its model has no InfiniteTalk weights, so it hears nothing"
        raise InputError("guider", problem, "Wire the model of the InfiniteTalk Loader into the guider.")
    if two and facts.get("voices") == 1:
        problem = "two people speak, and its InfiniteTalk weights know one (Single)"
        raise InputError("guider", problem, "Choose the Multi weights in the InfiniteTalk Loader.")


def _sections_in(chain: section_room.Chain, plan: planning.Plan) -> list[str]:
    starts = [window.start for window in plan.windows]
    return section_room.notes(chain, starts, plan.length, talk.FPS)


def _check_numbers(length: int, audio_scale: float, two_speakers: str) -> None:
    if not 0 <= length <= LONGEST:
        raise InputError("length", f"{length} frames is outside 0 to {LONGEST}", "0 is as long as the audio.")
    if not (math.isfinite(audio_scale) and -10.0 <= audio_scale <= 10.0):
        raise InputError("audio_scale", f"{audio_scale} is outside -10 to 10", "1 is what the model was trained with.")
    if two_speakers not in speech_pair.MODES:
        remedy = f"Use one of {', '.join(speech_pair.MODES)}."
        raise InputError("two_speakers", f"{two_speakers!r} is unknown", remedy)


def _speeches(audio, audio_2, mode: str, encoder) -> tuple[speech.Speech, ...]:
    bar = comfy.utils.ProgressBar(1)

    def tell(done: int, total: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done, total)

    cache = places.private("speech")
    if audio_2 is None:
        return (speech.analyse(audio, encoder, cache, tell),)
    return speech_pair.analyse(audio, audio_2, mode, encoder, cache, tell)


def _about(plan: planning.Plan, speeches: tuple, chain: section_room.Chain, vision: bool) -> list[str]:
    """What a person should know of the plan and the sound."""
    told = [*plan.notes, *talk.advice(plan.window, plan.overlap)]
    if not vision:
        told.append("no clip_vision_output: Wan 2.1 I2V was trained with it; wire CLIP Vision Encode of start_image.")
    for each in speeches:
        told += each.notes
    frames, seconds = speeches[0].frames, speeches[0].seconds
    told.append(f"the audio lasts {seconds:.2f} s, the video {float(plan.length / talk.FPS):.2f} s.")
    if plan.length > frames:
        told.append(
            f"the video is {plan.length - frames} frames longer than the audio: its end is read backwards there."
        )
    return told + _sections_in(chain, plan)


NODES = [InfiniteTalkWindow]
