"""FramePack: long videos by sections that see what was made before at falling resolution."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..loaders import wan
from ..loaders.framepack import files
from ..loaders.options import LoadOptions
from .loading import option_inputs, report


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


NODES = [FramePackLoader]
