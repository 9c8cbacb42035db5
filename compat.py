"""The one place that knows host versions: what an older ComfyUI lacks is left out or replaced here."""

from __future__ import annotations

import dataclasses

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
