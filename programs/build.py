"""A checked payload into the shipped workflow of its model and mode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from ..conditioning import latent_time
from ..loaders import lora_sets
from . import files, graphs
from .families import FAMILIES, PICTURES
from .graphs import Definition, Graph
from .payload import Payload, ignored
from .problems import Fault, Problem, pointer, refused
from .settings import Settings

# Field -> inputs, the first name that the workflow has. For these the payload's word goes in as it is.
_DIRECT = {
    "steps": ("steps",),
    "guidance_scale": ("guidance", "cfg"),
    "cfg_scale": ("cfg",),
    "lighting_variant": ("lighting_variant",),
    "motion_score": ("motion_score",),
    "num_frames": ("length",),
    "first_strength": ("first_strength",),
    "last_strength": ("last_strength",),
    "denoising_strength": ("denoise",),
    "output_format": ("format",),
    "fps": ("fps",),
    "width": ("width",),
    "height": ("height",),
}
# The contract's own default counts even where the workflow shows another value.
_ALWAYS = ("motion_score", "num_frames", "fps", "first_strength", "last_strength", "lighting_variant")
# The image workflows have one node for their numbers, from which all others take them.
_NUMBERS = "GengaImageSettings"
_IN_NUMBERS = {"guidance_scale": "cfg", "cfg_scale": "cfg", "steps": "steps", "width": "width", "height": "height"}
# The host's names: sampler, and schedule where the name says one.
_SAMPLERS = {
    "Euler": ("euler", None),
    "Euler a": ("euler_ancestral", None),
    "DPM++ 2M": ("dpmpp_2m", None),
    "DPM++ 2M Karras": ("dpmpp_2m", "karras"),
    "DPM++ SDE Karras": ("dpmpp_sde", "karras"),
}
# Loaders that a LoRA set goes behind, and how many models each gives.
_LOADERS = {"GengaAniSoraLoader": 2, "GengaPhr00tLoader": 1, "GengaWanModelLoader": 1}


class Built(NamedTuple):
    """A prompt for the host, still without its seed; notes: what a person should know of it."""

    graph: Graph
    workflow: str
    notes: list[str]

    def seeded(self, seed: int, prefix: str | None = None) -> dict:
        """The API prompt with this seed, saving under ``prefix`` if one is given."""
        self.graph.fill(("seed", "noise_seed"), seed, "/seed")
        if prefix is not None:
            self.graph.fill(("filename_prefix",), prefix, "")
        return json.loads(json.dumps(self.graph.nodes))


def build(
    payload: Payload, pictures: Mapping[str, str], settings: Settings, describe: Definition = graphs.definition
) -> Built:
    """``pictures``: JSON pointer of a field -> name of the stored picture below the output folder."""
    name = FAMILIES[payload.model].workflows[payload.mode]
    workflow = graphs.shipped(name)
    if workflow is None:
        raise refused([Fault("/mode", f"mode: this release has no workflow {name!r} yet. Choose another mode.")])
    graph = Graph.of_workflow(workflow, describe)
    notes = [f"{field}: {payload.model} {payload.mode} has no use for it." for field in ignored(payload)]
    _place_pictures(graph, payload, pictures)
    for text in ("prompt", "negative_prompt"):
        notes += _write(graph, payload, text)
    for field, value in _values(payload).items():
        if not _fill(graph, field, value):
            notes.append(f"{field}: the workflow {name!r} has no place for it.")
    _choose_sampler(graph, payload)
    _skip_layers(graph, payload)
    _add_loras(graph, payload)
    graph.prune()
    chosen = payload.files.model_dump() if payload.files else {}
    more, faults = files.choose(graph, chosen, settings.files)
    faults = faults or files.fit_control(graph)
    if faults:
        raise refused(faults)
    return Built(graph, name, [*notes, *more, *_advice(payload)])


def _fill(graph: Graph, field: str, value) -> bool:
    """Puts the value where the workflow keeps it; whether there is such a place."""
    numbers = graph.of_kind(_NUMBERS)
    if numbers and field in _IN_NUMBERS:
        graph.set((numbers[0], _IN_NUMBERS[field]), value, pointer(field))
        return True
    return graph.fill(_DIRECT[field], value, pointer(field))


def _values(payload: Payload) -> dict:
    """What goes straight into the workflow: what the payload says, and the contract's defaults."""
    takes = FAMILIES[payload.model].takes(payload.mode)
    chosen = [field for field in _DIRECT if field in takes and (payload.says(field) or field in _ALWAYS)]
    values = {field: getattr(payload, field) for field in chosen}
    meant = payload.mode == "i2v" or (payload.says("reference_strength") and not payload.says("first_strength"))
    if meant and "reference_strength" in takes:
        values["first_strength"] = payload.reference_strength
    return values


def _place_pictures(graph: Graph, payload: Payload, pictures: Mapping[str, str]) -> None:
    stored = {place: f"{name} [output]" for place, name in pictures.items()}
    if payload.mode == "arbitrary_frame":
        _place_keyframes(graph, payload, pictures)
        return
    fields = PICTURES[payload.mode]
    inputs = dict(zip(fields, ("first_image", "last_image"), strict=False))
    for field in fields:
        place = graph.first_above(inputs[field], "image") or _only_picture(graph)
        graph.set(place, stored[pointer(field)], pointer(field))
    if payload.mode == "i2v" and payload.says("denoising_strength") and payload.denoising_strength < 1:
        for identity, _ in graph.having("first_image"):
            # The start video is cut or held to the length: one picture becomes a still video.
            graph.nodes[identity]["inputs"]["start_video"] = graph.nodes[identity]["inputs"]["first_image"]


def _only_picture(graph: Graph) -> tuple[str, str]:
    (identity,) = graph.of_kind("LoadImage")
    return identity, "image"


def _place_keyframes(graph: Graph, payload: Payload, pictures: Mapping[str, str]) -> None:
    """The entries as the timeline of Arbitrary Keyframes; without a size, the video has the first one's shape."""
    ((direction, _),) = graph.having("timeline")
    if not payload.says("width"):
        loader = graph.insert("LoadImage", {}, {})
        first = "/arbitrary_frames/0/image"
        graph.set((loader, "image"), f"{pictures[first]} [output]", first)
        size = graph.insert("GengaSizeFromImage", {"image": [loader, 0], "budget": "480p (832x480)"}, {})
        graph.nodes[direction]["inputs"] |= {"width": [size, 0], "height": [size, 1]}
    keys = [_key(entry, number, payload, pictures) for number, entry in enumerate(payload.arbitrary_frames)]
    graph.set((direction, "timeline"), json.dumps({"version": 1, "keyframes": keys}), "/arbitrary_frames")


def _key(entry, number: int, payload: Payload, pictures: Mapping[str, str]) -> dict:
    def reference(field: str) -> dict:
        folder, _, name = pictures[pointer("arbitrary_frames", number, field)].rpartition("/")
        return {"name": name, "subfolder": folder, "type": "output"}

    length = latent_time.round_length(payload.num_frames)
    frame = length - 1 if entry.frame_index in (payload.num_frames, length) else entry.frame_index
    key = {"frame": frame, "image": reference("image"), "strength": entry.strength}
    return key | ({"mask": reference("mask")} if entry.mask else {})


def _write(graph: Graph, payload: Payload, field: str) -> list[str]:
    """The text into the node that encodes it."""
    text = getattr(payload, field)
    if text is None:
        return []
    positive = graph.first_above("positive", "prompt", "text")
    place = positive if field == "prompt" else graph.first_above("negative", "prompt", "text")
    if place is None or (field != "prompt" and place == positive):  # Flux has a zeroed prompt for its negative one
        return [f"{field}: {payload.model} has no use for it."]
    graph.set(place, text, pointer(field))
    return []


def _choose_sampler(graph: Graph, payload: Payload) -> None:
    """The host's sampler and schedule; where the workflow chooses the schedule by the sampler, it goes on doing so."""
    if payload.sampler is None or "sampler" not in FAMILIES[payload.model].fields:
        return
    sampler, schedule = _SAMPLERS[payload.sampler]
    numbers = graph.of_kind(_NUMBERS)
    if numbers:
        graph.set((numbers[0], "sampler_name"), sampler, "/sampler")
        return
    graph.fill(("sampler_name",), sampler, "/sampler")
    if schedule:
        graph.fill(("scheduler",), schedule, "/sampler")


def _skip_layers(graph: Graph, payload: Payload) -> None:
    """CLIP skip 2 is the host's layer -2."""
    if payload.says("clip_skip") and "clip_skip" in FAMILIES[payload.model].fields:
        for identity, name in graph.having("clip_skip", "stop_at_clip_layer"):
            value = payload.clip_skip if name == "clip_skip" else -payload.clip_skip
            graph.set((identity, name), value, "/clip_skip")


def _add_loras(graph: Graph, payload: Payload) -> None:
    """A LoRA Set node behind the loader of a video model."""
    if payload.lora_set is None:
        return
    if payload.lora_set not in lora_sets.names():  # 0.3.75 does not check the combos of such nodes
        detail = f"lora_set: there is no {payload.lora_set!r}. GET /genga/presets lists them."
        raise refused([Fault("/lora_set", detail)])
    found = [(identity, count) for kind, count in _LOADERS.items() for identity in graph.of_kind(kind)]
    if not found:
        raise refused([Fault("/lora_set", f"lora_set: {payload.model} is no video model. Leave it out.")])
    for identity, count in found:
        models = {name: [identity, slot] for slot, name in enumerate(("high", "low")[:count])}
        taken = {(identity, slot): slot for slot in range(count)}
        added = graph.insert("GengaLoraSet", {**models, "strength": 1.0}, taken)
        graph.set((added, "lora_set"), payload.lora_set, "/lora_set")


def _advice(payload: Payload):
    tuned = FAMILIES[payload.model].tuned_steps
    if tuned and payload.says("steps") and payload.steps != tuned:
        yield f"steps: {payload.model} is tuned for {tuned}; with {payload.steps} expect other results."
    length = latent_time.round_length(payload.num_frames)
    if "num_frames" in FAMILIES[payload.model].fields and length != payload.num_frames:
        yield f"num_frames: {payload.num_frames} becomes {length}, since Wan makes 4n + 1 frames."


def host_refused(answer: dict, graph: Graph) -> Problem:
    """The host's own refusal of a prompt, told in the payload's fields where they filled the input."""
    faults = []
    for identity, node in (answer.get("node_errors") or {}).items():
        for error in node.get("errors", []):
            name = (error.get("extra_info") or {}).get("input_name", "")
            said = f"{node.get('class_type')} {name}: {error.get('message')}: {error.get('details')}"
            faults.append(Fault(graph.origin.get((identity, name), ""), said[:600]))
    error = answer.get("error") or {}
    general = error if isinstance(error, str) else f"{error.get('message')}: {error.get('details')}"
    return refused(faults or [Fault("", str(general)[:600])])
