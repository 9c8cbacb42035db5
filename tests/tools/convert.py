"""UI workflow -> API prompt, as the front end's graphToPrompt does it. tests/browser checks that they agree."""

from __future__ import annotations

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def to_prompt(workflow: dict, object_info: dict) -> dict:
    """Every active node with its widget values by name and its links as [node id, slot]."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in object_info and node["mode"] == 0:
            inputs = _widgets(node, object_info[node["type"]])
            linked = {slot["name"]: slot["link"] for slot in node["inputs"] if slot["link"] is not None}
            inputs |= {name: sources[link] for name, link in linked.items()}
            title = node.get("title") or object_info[node["type"]]["display_name"]
            prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}
    return prompt


def _widgets(node: dict, definition: dict) -> dict:
    """Widget values are positional; behind some the front end keeps one of its own.

    An older workflow has fewer: the widgets that came later keep their defaults, here as in the front end.
    """
    values = iter(node["widgets_values"])
    named = {}
    for group in ("required", "optional"):
        uploads = 0  # the front end puts the upload button behind the widgets of its group
        for name, spec in definition["input"].get(group, {}).items():
            options = spec[1] if len(spec) > 1 else {}
            if (isinstance(spec[0], list) or spec[0] in WIDGETS) and not options.get("forceInput"):
                named |= dict(zip([name], values, strict=False))
                uploads += bool(options.get("image_upload"))
                if options.get("control_after_generate"):
                    next(values, None)
        for _ in range(uploads):
            next(values, None)
    rest = list(values)
    if rest:
        raise ValueError(f"{node['type']} has {len(rest)} widget values too many: {rest}")
    return named
