"""ComfyUI-Genga: directed video. Key frames, voices and poses placed in time; Wan models draw what lies between."""

from __future__ import annotations

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """The host's V3 entry point. Imports wait until here, so that importing the pack costs nothing."""
    from .nodes import extension

    return extension()
