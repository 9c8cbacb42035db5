"""The one place that knows host versions: what an older ComfyUI lacks is left out or replaced here."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from comfy_api.latest import io

_SCHEMA_FIELDS = {field.name for field in dataclasses.fields(io.Schema)}


def schema(**fields) -> io.Schema:
    """``io.Schema`` without the fields this host does not know (search_aliases on 0.3.75, for one)."""
    return io.Schema(**{name: value for name, value in fields.items() if name in _SCHEMA_FIELDS})


def advanced(item):
    """Marks an input as advanced, so that the page shows it on demand. 0.3.75 has no argument for it."""
    item.extra_dict["advanced"] = True
    return item


def model_patcher(module, **devices):
    """The host's ModelPatcher around a module of ours: of the kind that it loads its own models with."""
    import comfy.model_patcher

    kind = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return kind(module, **devices)


def is_dynamic(patcher) -> bool:
    """Whether the host brings a model's weights from the file when they are used; 0.3.75 never does."""
    asked = getattr(patcher, "is_dynamic", None)
    return asked is not None and asked()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that the device's memory did not suffice."""
    import comfy.model_management as management

    asked = getattr(management, "is_oom", None)
    return isinstance(error, management.OOM_EXCEPTION) if asked is None else asked(error)


@contextlib.contextmanager
def upscaler(model) -> Iterator:
    """Brings an UPSCALE_MODEL to the device that it works on, and gives that; 0.3.75 does not manage such models."""
    import comfy.model_management as management

    need = 512 * 512 * 3 * 4 * max(model.scale, 1.0) * 384.0  # the host's own estimate for a tile of 512 pixels
    patcher = getattr(model, "patcher", None)
    if patcher is not None:
        management.load_models_gpu([patcher], memory_required=need)
        yield patcher.load_device
        return
    device = management.get_torch_device()
    management.free_memory(management.module_size(model.model) + need, device)
    model.to(device)
    try:
        yield device
    finally:
        model.to("cpu")


async def post_prompt(request, body: dict) -> dict:
    """Hands ``body`` to the host's own POST /prompt, as if it had come with ``request``; the JSON of its answer.

    So prompts of ours go through the host's validation, its hooks for other packs and its queue, whatever these
    become: the tuple in the queue is not the same in every version.
    """
    import json

    from server import PromptServer

    routes = PromptServer.instance.routes
    (handler,) = [route.handler for route in routes if (route.method, route.path) == ("POST", "/prompt")]
    answer = await handler(_Posted(request, body))
    return json.loads(answer.body)


class _Posted:
    """A request with another JSON body."""

    def __init__(self, request, body: dict):
        self._request, self._body = request, body

    async def json(self) -> dict:
        return self._body

    def __getattr__(self, name: str):
        return getattr(self._request, name)
