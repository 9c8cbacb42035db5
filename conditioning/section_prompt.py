"""The prompt of a section in place of a guider's own."""

from __future__ import annotations

# What belongs to the words of a prompt, and leaves with them when a section brings others.
_OF_THE_PROMPT = {"cross_attn", "pooled_output", "attention_mask", "model_conds", "uuid", "hooks"}
_OF_THE_PROMPT |= {"area", "mask", "mask_strength", "set_area_to_bounds", "strength"}
_OF_THE_PROMPT |= {"start_percent", "end_percent", "timestep_start", "timestep_end"}


def with_prompt(conds: list[dict], prompt: list) -> list[dict]:
    """``prompt`` in the host's converted form. What else a single entry of ``conds`` carried (a ControlNet, say)
    stays; between several there is no telling which part belongs to which words."""
    import comfy.sampler_helpers  # here, so that the arithmetic around it can be used and tested without the host

    converted = comfy.sampler_helpers.convert_cond(prompt)
    if len(conds) != 1:
        return converted
    kept = {key: value for key, value in conds[0].items() if key not in _OF_THE_PROMPT}
    models = conds[0].get("model_conds") or {}
    return [{**kept, **entry, "model_conds": {**models, **entry["model_conds"]}} for entry in converted]
