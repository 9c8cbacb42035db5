"""The payload of ``POST /genga/generate``: its fields, its JSON Schema, and every check that needs no picture.

Field by field pydantic checks, which the host brings; what depends on model and mode stands in families.py and goes
from there into the checks and into the schema alike.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..conditioning import latent_time
from ..errors import InputError
from .families import ALL_PICTURES, FAMILIES, PICTURES
from .problems import Fault, of_input, pointer, refused

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LONGEST_PICTURE = 64_000_000  # characters; the limit in bytes that counts is in the settings
LARGEST_SEED = 2147483647
_MOST_KEYFRAMES = 161


def _whole(value):
    """JSON has one kind of number: 16.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
Picture = Annotated[
    str, Field(min_length=1, max_length=LONGEST_PICTURE, description="Base64 (a data: URI too), or an http(s) URL.")
]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Side = Annotated[Whole, Field(ge=16, le=16384, multiple_of=16, description="A multiple of 16; give both or neither.")]
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class ArbitraryFrame(BaseModel):
    model_config = _STRICT
    frame_index: Whole = Field(ge=0, le=16384, description="0 is the first frame; num_frames itself means the last.")
    image: Picture
    strength: float = Field(1.0, ge=0.1, le=1.0)
    mask: Picture | None = Field(
        None, description="White where the picture applies; without one it applies everywhere."
    )


class Files(BaseModel):
    """Model files by their names in ComfyUI, where not the workflow's own are meant."""

    model_config = _STRICT
    high_noise_model: str | None = Field(None, max_length=500)
    low_noise_model: str | None = Field(None, max_length=500)
    model: str | None = Field(None, max_length=500)
    checkpoint: str | None = Field(None, max_length=500)
    text_encoder: str | None = Field(None, max_length=500)
    vae: str | None = Field(None, max_length=500)


class Payload(BaseModel):
    model_config = _STRICT
    model: Literal["anisora", "phr00t", "standard", "pony", "flux"]
    mode: Literal["t2v", "i2v", "first_last_frame", "arbitrary_frame", "t2i", "i2i"]
    prompt: str = Field(min_length=1, max_length=2000)
    negative_prompt: str | None = Field(None, max_length=2000, description="Left out: the workflow's own.")
    width: Side | None = None
    height: Side | None = None
    seed: Whole = Field(-1, ge=-1, le=LARGEST_SEED, description="-1 draws one and reports it.")
    num_frames: Whole = Field(81, ge=16, le=241, description="Rounded up to 4n + 1.")
    fps: Annotated[Literal[8, 16, 24], BeforeValidator(_whole)] = 16
    steps: Whole | None = Field(None, ge=1, le=200)
    guidance_scale: float | None = Field(None, ge=0.0, le=20.0)
    cfg_scale: float | None = Field(None, ge=1.0, le=20.0)
    motion_score: float = Field(3.0, ge=0.0, le=5.0)
    lighting_variant: Literal["low noise", "high noise"] = "low noise"
    reference_image: Picture | None = None
    reference_strength: Unit = 0.85
    denoising_strength: Unit | None = Field(
        None, description="Image to video: below 1 the run starts from the reference image, held as a still video."
    )
    first_frame_image: Picture | None = None
    last_frame_image: Picture | None = None
    first_strength: float = Field(1.0, ge=0.5, le=1.0)
    last_strength: float = Field(1.0, ge=0.5, le=1.0)
    arbitrary_frames: list[ArbitraryFrame] | None = Field(None, min_length=1, max_length=_MOST_KEYFRAMES)
    sampler: Literal["Euler", "Euler a", "DPM++ 2M", "DPM++ 2M Karras", "DPM++ SDE Karras"] | None = None
    clip_skip: Whole | None = Field(None, ge=1, le=4)
    batch_size: Whole = Field(1, ge=1, le=100, description="So many jobs, with the seeds seed, seed + 1, ...")
    output_format: Literal["mp4", "webm", "gif", "png", "jpg"] | None = None
    preset: str | list[str] | None = Field(None, description="Names of presets; what the payload says itself wins.")
    lora_set: str | None = Field(None, max_length=64, description="A set saved with Save LoRA Set (video models).")
    files: Files | None = None

    def says(self, name: str) -> bool:
        """Whether the payload itself gives a value; null is none."""
        return name in self.model_fields_set and getattr(self, name) is not None


def check(body: dict) -> Payload:
    """The payload in ``body``, presets already filled in; Problem with every fault there is."""
    clean = {key: value for key, value in body.items() if value is not None}  # null is the same as left out
    try:
        payload = Payload.model_validate(clean)
    except ValidationError as error:
        raise refused(_faults(error)) from error
    faults = [*_by_mode(payload), *_by_range(payload), *_by_frames(payload)]
    if faults:
        raise refused(faults)
    return payload


def faults_in_part(values: dict) -> list[Fault]:
    """What is wrong with some fields by themselves, whatever is still missing."""
    whole = {"model": "anisora", "mode": "t2v", "prompt": "x", **values}
    try:
        Payload.model_validate({key: value for key, value in whole.items() if value is not None})
    except ValidationError as error:
        return list(_faults(error))
    return []


def _faults(error: ValidationError):
    for fault in error.errors(include_url=False):
        # pydantic names the branch of a union too ("list[str]"), which is no part of the payload
        place = [part for part in fault["loc"] if part not in ("str", "list[str]")]
        name = str(place[-1])[:60] if place else "the payload"
        yield Fault(pointer(*place), f"{name}: {_said(fault)}")


def _said(fault: dict) -> str:
    if fault["type"] == "missing":
        return "it is missing. Give it; GET /genga/schema lists every field."
    if fault["type"] == "extra_forbidden":
        return "there is no such field. GET /genga/schema lists them."
    value = repr(fault["input"])
    return f"{value[:60]}{'...' if len(value) > 60 else ''}: {fault['msg']}."


def _by_mode(payload: Payload):
    family, model, mode = FAMILIES[payload.model], payload.model, payload.mode
    if mode not in family.workflows:
        known = ", ".join(family.workflows)
        more = " Its few-step merges know first and last frames only; use anisora." if mode == "arbitrary_frame" else ""
        yield Fault("/mode", f"mode: {model} has no {mode}. It has {known}.{more}")
        return
    if not payload.prompt.strip():
        yield Fault("/prompt", "prompt: it holds no word. Describe the scene, the motion and the camera.")
    for name in PICTURES[mode]:
        if not payload.says(name):
            yield Fault(pointer(name), f"{name}: {mode} needs it. Give base64 or an http(s) URL.")
    for name in ALL_PICTURES:
        if name not in PICTURES[mode] and payload.says(name):
            yield Fault(pointer(name), f"{name}: {mode} takes no such picture. Leave it out, or choose another mode.")
    if payload.says("width") != payload.says("height"):
        missing = "height" if payload.says("width") else "width"
        yield Fault(pointer(missing), f"{missing}: only the other side is given. Give both or neither.")


def _by_range(payload: Payload):
    family = FAMILIES[payload.model]
    for name, (least, most) in family.ranges.items():
        if name == "denoising_strength" and payload.mode != "i2i":
            continue
        value = getattr(payload, name)
        if payload.says(name) and not least <= value <= most:
            span = f"{least:g} to {most:g}" if least != most else f"{least:g} only"
            yield Fault(pointer(name), f"{name}: {value:g} is outside what {payload.model} takes. Use {span}.")
    for name, values in family.choices.items():
        if payload.says(name) and getattr(payload, name) not in values:
            detail = f"{name}: {payload.model} has no {getattr(payload, name)!r}. Use one of {', '.join(values)}."
            yield Fault(pointer(name), detail)


def _by_frames(payload: Payload):
    """Each keyframe inside the video, and no two on one frame."""
    length, taken = latent_time.round_length(payload.num_frames), {}
    for number, entry in enumerate(payload.arbitrary_frames or ()):
        place = pointer("arbitrary_frames", number, "frame_index")
        try:
            index = length if entry.frame_index == payload.num_frames else entry.frame_index
            frame = latent_time.resolve_index(index, length)[0]
        except InputError as error:
            yield of_input(error, place)
            continue
        frame = latent_time.snap_frame(frame, length, "anisora")
        if frame in taken:
            detail = f"frame_index: {entry.frame_index} and {taken[frame]} both fall on frame {frame}. Move one by 8."
            yield Fault(place, detail)
        taken.setdefault(frame, entry.frame_index)


def ignored(payload: Payload) -> list[str]:
    """The fields that are given and mean nothing for this model and mode."""
    return sorted(payload.model_fields_set - FAMILIES[payload.model].takes(payload.mode))


def schema() -> dict:
    """The JSON Schema (2020-12) of the payload, with what each model and mode adds."""
    made = Payload.model_json_schema()
    required = made.pop("required")
    without_preset = {"if": {"not": {"required": ["preset"]}}, "then": {"required": required}}
    rules = [without_preset, *map(_model_rule, FAMILIES), *map(_mode_rule, PICTURES), _image_rule()]
    return {"$schema": DIALECT, **made, "title": "Genga payload", "allOf": rules}


def _when(name: str, value: str, then: dict) -> dict:
    return {"if": {"properties": {name: {"const": value}}, "required": [name]}, "then": then}


def _model_rule(model: str) -> dict:
    family = FAMILIES[model]
    limits = {n: {"minimum": a, "maximum": b} for n, (a, b) in family.ranges.items() if n != "denoising_strength"}
    choices = {name: {"enum": [*values, None]} for name, values in family.choices.items()}
    return _when("model", model, {"properties": {"mode": {"enum": list(family.workflows)}, **limits, **choices}})


def _mode_rule(mode: str) -> dict:
    barred = {name: {"type": "null"} for name in ALL_PICTURES if name not in PICTURES[mode]}
    return _when("mode", mode, {"properties": barred, "required": list(PICTURES[mode])})


def _image_rule() -> dict:
    least, most = FAMILIES["pony"].ranges["denoising_strength"]
    return _when("mode", "i2i", {"properties": {"denoising_strength": {"minimum": least, "maximum": most}}})
