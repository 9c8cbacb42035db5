"""Hypothesis strategies out of a JSON Schema: values that fit it, as far as our schemas go."""

from __future__ import annotations

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def values(schema: dict, root: dict, texts: st.SearchStrategy[str]) -> st.SearchStrategy:
    """Values of ``schema``; ``texts`` makes its strings without a pattern of their own, such as pictures."""
    if "$ref" in schema:
        return values(root["$defs"][schema["$ref"].rpartition("/")[2]], root, texts)
    if "anyOf" in schema:
        return st.one_of([values(branch, root, texts) for branch in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    return _MAKERS[schema["type"]](schema, root, texts)


def _integers(schema, *_):
    step = schema.get("multipleOf", 1)
    least, most = schema.get("minimum", -(2**40)), schema.get("maximum", 2**40)
    return st.integers(-(-least // step), most // step).map(lambda number: number * step)


def _numbers(schema, *_):
    return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)


def _strings(schema, root, texts):
    most = schema.get("maxLength", 100)
    return texts if most > 10_000 else st.text(min_size=schema.get("minLength", 0), max_size=min(most, 60))


def _lists(schema, root, texts):
    inner = values(schema["items"], root, texts)
    return st.lists(inner, min_size=schema.get("minItems", 0), max_size=min(schema.get("maxItems", 4), 4))


def _objects(schema, root, texts):
    made = {name: values(part, root, texts) for name, part in schema["properties"].items()}
    needed = {name: made.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(needed, optional=made)


_MAKERS = {
    "null": lambda *_: st.none(),
    "boolean": lambda *_: st.booleans(),
    "integer": _integers,
    "number": _numbers,
    "string": _strings,
    "array": _lists,
    "object": _objects,
}
