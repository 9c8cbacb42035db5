"""Loaders: AniSora's expert pair, Phr00t's all-in-one files, any Wan model, and InfiniteTalk on top of one."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..loaders import attention, experts, options, phr00t, talk, wan
from ..loaders.options import LoadOptions
from .report import Report

CATEGORY = "Genga/loaders"
NONE = "none"
_HIDDEN = [io.Hidden.prompt, io.Hidden.unique_id]


def option_inputs() -> list:
    return [
        io.Combo.Input(
            "base_precision", options=list(options.BASE_PRECISIONS), default="auto",
            tooltip="The number type the model computes in. auto: the host chooses for your device. With weight_dtype "
            "default it is also the type the weights are kept in. Where ComfyUI does not compute in it (a CPU, some "
            "older GPUs) the weights are kept in it, the computing is done in the type the host has, and the node "
            "says which.",
        ),
        io.Combo.Input(
            "weight_dtype", options=list(options.WEIGHT_DTYPES), default="default",
            tooltip="The number type the weights are kept in. The fp8 types need half the memory of 16 bit and cost "
            "some quality, since they are cast without scales. fp8_e4m3fn_fast also multiplies in fp8 (RTX 40 series "
            "or newer; elsewhere it is the same as fp8_e4m3fn, and the node says so). A file that is quantized "
            "already keeps its own types.",
        ),
        io.Combo.Input(
            "attention", options=list(attention.names()), default="auto",
            tooltip="The attention kernel of this model alone. auto: the host's choice. sdpa: PyTorch's. sageattn: "
            "SageAttention (faster, slightly inexact). sageattn_3_fp8: no kernel of that name exists upstream; it means "
            "SageAttention 2's kernel with fp8 values (RTX 40 series or newer). sage3: SageAttention 3 (4 bit, RTX 50 "
            "series). flash: FlashAttention 2. xformers, sub_quad, split: the host's. The kernel is tried with a small "
            "call before the model is loaded: what is not installed or does not work is an error, never a silent "
            "replacement. Hardware Preset lists what this machine has.",
        ),
    ]  # fmt: skip


def _shift_input():
    return io.Float.Input(
        "shift", default=5.0, min=0.01, max=100.0, step=0.01,
        tooltip="Shift of the noise schedule, as the host's ModelSamplingSD3 sets it. 5 is AniSora's and Wan's value. "
        "Users' rule: 6 to 7 more detail, 4 to 5 less noise. A higher shift spends more steps at high noise, where layout "
        "and motion are decided.",
    )  # fmt: skip


def report(cls, notes: list[str], **facts) -> dict | None:
    said = Report(cls)
    for note in dict.fromkeys(notes):
        said.say(note)
    if facts:
        said.fact(**facts)
    return said.ui()


class AniSoraLoader(io.ComfyNode):
    """AniSora V3.2's two experts (or one expert of V3 and V3.1), text encoder and VAE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        models = wan.list_files("diffusion_models")
        return compat.schema(
            node_id="GengaAniSoraLoader", display_name="AniSora Loader", category=CATEGORY,
            description="Loads AniSora V3.2 (two experts) or V3 / V3.1 (one), its text encoder and its VAE.",
            search_aliases=["AniSoraLoader", "anisora", "wan 2.2 experts", "high noise low noise"],
            inputs=[
                io.Combo.Input("high_noise_model", options=models,
                               tooltip="The high-noise expert, .safetensors or .gguf, from models/diffusion_models; "
                               "the only file of V3 and V3.1."),
                io.Combo.Input("low_noise_model", options=[NONE, *models],
                               tooltip="The low-noise expert of the same release; none for V3 and V3.1, which have "
                               "one expert: both outputs are then that model."),
                io.Combo.Input("text_encoder", options=wan.list_files("text_encoders"),
                               tooltip="UMT5 XXL as ComfyUI has it, or as a .gguf file with its tokenizer, from "
                               "models/text_encoders."),
                io.Combo.Input("vae", options=wan.list_files("vae"),
                               tooltip="The Wan 2.1 VAE (16 channels), from models/vae."),
                *option_inputs(),
                _shift_input(),
            ],
            outputs=[io.Model.Output(display_name="high"), io.Model.Output(display_name="low"),
                     io.Clip.Output(display_name="CLIP"), io.Vae.Output(display_name="VAE")],
            hidden=_HIDDEN,
        )  # fmt: skip

    @classmethod
    def execute(cls, high_noise_model, low_noise_model, text_encoder, vae, base_precision, weight_dtype,
                attention, shift) -> io.NodeOutput:  # fmt: skip
        chosen = LoadOptions(base_precision, weight_dtype, attention)
        low_name = None if low_noise_model == NONE else low_noise_model
        loaded = experts.load(high_noise_model, low_name, text_encoder, vae, chosen, shift)
        return io.NodeOutput(loaded.high, loaded.low, loaded.clip, loaded.vae, ui=report(cls, loaded.notes))


class Phr00tLoader(io.ComfyNode):
    """Phr00t's WAN 2.2 Rapid All-In-One: model, text encoder and VAE in one file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaPhr00tLoader", display_name="Phr00t Loader", category=CATEGORY,
            description="Loads a Phr00t WAN 2.2 Rapid All-In-One file, tells its kind (I2V, T2V, MEGA) from its "
            "weights, and says which nodes and settings suit it.",
            search_aliases=["Phr00tLoader", "phr00t", "rapid all in one", "wan rapid aio", "mega"],
            inputs=[
                io.Combo.Input("checkpoint", options=wan.list_files("checkpoints"),
                               tooltip="The all-in-one file, from models/checkpoints."),
                io.Combo.Input("lighting_variant", options=list(phr00t.VARIANTS), default="low noise",
                               tooltip="For merges that come as two files: which of them to load, found beside the "
                               "chosen file by exchanging high and low in its name. A one-file merge has nothing to "
                               "choose between, and the node says so."),
                *option_inputs(),
            ],
            outputs=[io.Model.Output(display_name="MODEL"), io.Clip.Output(display_name="CLIP"),
                     io.Vae.Output(display_name="VAE")],
            hidden=_HIDDEN,
        )  # fmt: skip

    @classmethod
    def execute(cls, checkpoint, lighting_variant, base_precision, weight_dtype, attention) -> io.NodeOutput:
        chosen = LoadOptions(base_precision, weight_dtype, attention)
        wan.check_options(chosen)
        name, notes = phr00t.pick(checkpoint, lighting_variant, wan.list_files("checkpoints"))
        path = wan.find("checkpoints", name, "checkpoint")
        loaded = phr00t.load(path, chosen, phr00t.inspect_all_in_one(path))
        ui = report(cls, [*notes, *loaded.notes], checkpoint_loaded=name)
        return io.NodeOutput(loaded.model, loaded.clip, loaded.vae, ui=ui)


class WanModelLoader(io.ComfyNode):
    """Any Wan 2.1 or 2.2 diffusion model of 16 latent channels."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaWanModelLoader", display_name="Wan Model Loader", category=CATEGORY,
            description="Loads one Wan diffusion model with precision, attention and shift in one place.",
            search_aliases=["WanModelLoader", "wan model", "load diffusion model", "unet loader"],
            inputs=[
                io.Combo.Input("model", options=wan.list_files("diffusion_models"),
                               tooltip="A Wan 2.1 or 2.2 model (I2V, T2V, VACE, Animate), .safetensors or .gguf, from "
                               "models/diffusion_models."),
                *option_inputs(),
                _shift_input(),
            ],
            outputs=[io.Model.Output(display_name="MODEL")],
            hidden=_HIDDEN,
        )  # fmt: skip

    @classmethod
    def execute(cls, model, base_precision, weight_dtype, attention, shift) -> io.NodeOutput:
        chosen = LoadOptions(base_precision, weight_dtype, attention)
        wan.check_options(chosen)
        wan.check_shift(shift)
        path = wan.find("diffusion_models", model, "model")
        facts = wan.inspect_diffusion(path, "model")
        loaded = wan.load_diffusion(path, chosen, facts)
        notes = [f"{model} is {facts.what}.", *loaded.notes]
        return io.NodeOutput(wan.apply_shift(loaded.model, shift), ui=report(cls, notes))


class InfiniteTalkLoader(io.ComfyNode):
    """InfiniteTalk's audio layers on a Wan 2.1 I2V model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaInfiniteTalkLoader", display_name="InfiniteTalk Loader", category=CATEGORY,
            description="Puts InfiniteTalk's audio layers, Single or Multi, on a Wan 2.1 I2V model: a MODEL that follows "
            "the sound of InfiniteTalk Windows, and is the model it was without any. LoRAs may stand before or behind.",
            search_aliases=["InfiniteTalkLoader", "infinitetalk", "multitalk", "lip sync", "talking head"],
            inputs=[
                io.Model.Input("model", tooltip="A Wan 2.1 I2V 14B model (480p or 720p) from any loader, with LoRAs or "
                               "without. Wan 2.2 models are not what InfiniteTalk was trained on."),
                io.Combo.Input("infinitetalk_model", options=talk.list_files(),
                               tooltip="InfiniteTalk weights from models/model_patches or models/diffusion_models, "
                               "fp16 or fp8: Single for one speaker, Multi for two. A Wan model with them merged in "
                               "works too: its audio layers are taken. Files named so stand first in the list."),
            ],
            outputs=[io.Model.Output(display_name="MODEL")],
            hidden=_HIDDEN,
        )  # fmt: skip

    @classmethod
    def execute(cls, model, infinitetalk_model) -> io.NodeOutput:
        patched, notes = talk.load(model, infinitetalk_model)
        return io.NodeOutput(patched, ui=report(cls, notes, infinitetalk_loaded=infinitetalk_model))


NODES = [AniSoraLoader, Phr00tLoader, WanModelLoader, InfiniteTalkLoader]
