"""What a person sees: one module per family, each class a schema, its checks and one call into a room."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension


def node_list() -> list[type]:
    """Every node class of the pack, in the order the menus show them."""
    from . import (
        animating,
        chaining,
        color,
        finishing,
        framepack,
        framepack_bridge,
        framepack_reference,
        framepack_teacache,
        framepack_video,
        guiding,
        hardware,
        image_settings,
        keyframes,
        latents,
        loading,
        loras,
        output,
        pictures,
        prompt,
        sampling,
        sections,
        size,
        solvers,
        talking,
        windows,
    )

    return [
        *loading.NODES,
        *loras.NODES,
        *hardware.NODES,
        *prompt.NODES,
        *keyframes.NODES,
        *size.NODES,
        *image_settings.NODES,
        *sections.NODES,
        *talking.NODES,
        *animating.NODES,
        *chaining.NODES,
        *framepack.NODES,
        *framepack_bridge.NODES,
        *framepack_reference.NODES,
        *framepack_teacache.NODES,
        *framepack_video.NODES,
        *sampling.NODES,
        *guiding.NODES,
        *solvers.NODES,
        *windows.NODES,
        *color.NODES,
        *finishing.NODES,
        *latents.NODES,
        *output.NODES,
        *pictures.NODES,
    ]


class GengaExtension(ComfyExtension):
    async def get_node_list(self) -> list[type]:
        return node_list()


def extension() -> GengaExtension:
    """The nodes, once the routes for programs stand beside the host's."""
    from ..programs import routes

    routes.register()
    return GengaExtension()
