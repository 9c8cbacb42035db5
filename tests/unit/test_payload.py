"""The payload's contract: names, ranges, what each mode needs, and the schema that is shipped."""

from __future__ import annotations

import pytest

pytest.importorskip("pydantic")

from genga.programs import families, fetching, payload, problems, schema  # noqa: E402

PICTURE = "aGVsbG8="
NEEDS = {
    "i2v": {"reference_image": PICTURE},
    "i2i": {"reference_image": PICTURE},
    "first_last_frame": {"first_frame_image": PICTURE, "last_frame_image": PICTURE},
    "arbitrary_frame": {"arbitrary_frames": [{"frame_index": 0, "image": PICTURE}]},
}


def order(model="anisora", mode="t2v", **more) -> dict:
    return {"model": model, "mode": mode, "prompt": "A fox runs.", **NEEDS.get(mode, {}), **more}


def pointers(body: dict) -> list[str]:
    """Where the faults of a payload are; none for one that is taken."""
    try:
        payload.check(body)
    except problems.Problem as problem:
        assert problem.status == 422
        assert all(fault.detail.strip() for fault in problem.faults)
        return [fault.pointer for fault in problem.faults]
    return []


@pytest.mark.parametrize("model", families.FAMILIES)
@pytest.mark.parametrize("mode", families.PICTURES)
def test_a_model_takes_its_modes_and_no_others(model, mode):
    found = pointers(order(model, mode))
    assert found == ([] if mode in families.FAMILIES[model].workflows else ["/mode"])


def test_the_contracts_modes():
    video = {"t2v", "i2v", "first_last_frame"}
    assert set(families.FAMILIES["anisora"].workflows) == video | {"arbitrary_frame"}
    assert set(families.FAMILIES["phr00t"].workflows) == video
    assert set(families.FAMILIES["pony"].workflows) == set(families.FAMILIES["flux"].workflows) == {"t2i", "i2i"}


# (model, mode, field, values that are taken, values that are refused): the table of the contract
RANGES = [
    ("anisora", "t2v", "prompt", ["x", "x" * 2000], ["", " \n", "x" * 2001, 3, None]),
    ("anisora", "t2v", "seed", [-1, 0, 2147483647, 7.0], [-2, 2147483648, 1.5, "1", True]),
    ("anisora", "t2v", "num_frames", [16, 81, 161], [15, 162, 0]),
    ("standard", "i2v", "num_frames", [16, 241], [242]),
    ("anisora", "t2v", "fps", [8, 16, 24], [0, 12, 30, "16"]),
    ("anisora", "t2v", "motion_score", [0, 5.0], [-0.1, 5.1]),
    ("anisora", "t2v", "guidance_scale", [0.0, 10], [-1, 10.5]),
    ("phr00t", "t2v", "cfg_scale", [1, 1.0], [1.5, 0.5]),
    ("phr00t", "t2v", "guidance_scale", [1.0], [1.1]),
    ("phr00t", "t2v", "lighting_variant", ["low noise", "high noise"], ["low"]),
    ("anisora", "i2v", "reference_strength", [0, 1], [-0.1, 1.1]),
    ("anisora", "i2v", "denoising_strength", [0, 0.7, 1], [1.1]),
    ("pony", "i2i", "denoising_strength", [0.65, 0.75], [0.6, 0.8]),
    ("anisora", "first_last_frame", "first_strength", [0.5, 1], [0.4, 1.1]),
    ("anisora", "first_last_frame", "last_strength", [0.5, 1], [0.4, 1.1]),
    ("pony", "t2i", "steps", [10, 50], [9, 51]),
    ("flux", "t2i", "steps", [10, 50], [9, 51]),
    ("pony", "t2i", "cfg_scale", [1, 20], [0.5, 21]),
    ("flux", "t2i", "guidance_scale", [1, 10], [0.5, 11]),
    ("pony", "t2i", "sampler", ["Euler a", "DPM++ 2M Karras", "DPM++ SDE Karras"], ["Euler", "euler"]),
    ("flux", "t2i", "sampler", ["Euler", "Euler a", "DPM++ 2M"], ["DPM++ SDE Karras"]),
    ("pony", "t2i", "clip_skip", [1, 4], [0, 5]),
    ("anisora", "t2v", "output_format", ["mp4", "webm", "gif"], ["png", "avi"]),
    ("pony", "t2i", "output_format", ["png", "jpg"], ["mp4"]),
    ("anisora", "t2v", "batch_size", [1, 100], [0, 101]),
]


@pytest.mark.parametrize(("model", "mode", "field", "good", "bad"), RANGES)
def test_ranges_are_the_contracts(model, mode, field, good, bad):
    for value in good:
        assert pointers(order(model, mode, **{field: value})) == [], value
    for value in bad:
        assert pointers(order(model, mode, **{field: value})) == [f"/{field}"], value


def test_sizes_are_multiples_of_16_and_come_in_pairs():
    assert pointers(order(width=512, height=768)) == []
    assert pointers(order(width=500, height=512)) == ["/width"]
    assert pointers(order(width=512)) == ["/height"]
    assert pointers(order(height=512)) == ["/width"]


def test_every_fault_is_told_at_once():
    assert set(pointers(order(width=1, height=1, fps=9, nonsense=1))) == {"/width", "/height", "/fps", "/nonsense"}


@pytest.mark.parametrize(("mode", "needs"), NEEDS.items())
def test_pictures_that_are_missing_or_too_many(mode, needs):
    model = "pony" if mode == "i2i" else "anisora"
    bare = {key: value for key, value in order(model, mode).items() if key not in needs}
    assert pointers(bare) == [f"/{name}" for name in needs]
    other = "first_frame_image" if "reference_image" in needs else "reference_image"
    assert pointers(order(model, mode, **{other: PICTURE})) == [f"/{other}"]


def frames(*indices, **more) -> list[str]:
    entries = [{"frame_index": index, "image": PICTURE, **more} for index in indices]
    return pointers(order(mode="arbitrary_frame", arbitrary_frames=entries))


def test_keyframes_lie_in_the_video_and_apart():
    assert frames(0, 20, 40, 60, 81) == []
    assert frames(*range(0, 81, 8)) == []  # more than ten
    assert frames(82) == ["/arbitrary_frames/0/frame_index"]
    assert frames(-1) == ["/arbitrary_frames/0/frame_index"]
    assert frames(40, 41) == ["/arbitrary_frames/1/frame_index"]
    assert frames(80, 81) == ["/arbitrary_frames/1/frame_index"]
    assert frames(40, strength=0.1) == []
    assert frames(40, strength=0.05) == ["/arbitrary_frames/0/strength"]
    assert pointers(order(mode="arbitrary_frame", arbitrary_frames=[])) == ["/arbitrary_frames"]


def test_fields_without_meaning_are_told_not_refused():
    checked = payload.check(order("phr00t", "t2v", motion_score=3.0, clip_skip=2, fps=8))
    assert payload.ignored(checked) == ["clip_skip", "motion_score"]


def test_null_is_the_same_as_left_out():
    assert pointers(order(reference_image=None, seed=None, steps=None)) == []


def test_the_shipped_schema_is_what_is_checked():
    assert schema.FILE.read_text(encoding="utf-8") == schema.written(), "run devtools/schema.py"
    made = schema.read()
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["properties"].keys() == payload.Payload.model_fields.keys()


def test_what_is_no_json_object():
    for raw in (b"", b"[]", b"3", b"{", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"):
        with pytest.raises(problems.Problem) as caught:
            problems.parse(raw)
        assert caught.value.status == 400


def test_problems_have_the_members_of_rfc_9457():
    body = problems.refused([problems.Fault("/width", "width: 500.")]).body()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["errors"] == [{"pointer": "#/width", "detail": "width: 500."}]
    assert problems.pointer("a/b", 0, "c~d") == "/a~1b/0/c~0d"


PRIVATE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "no address",
)  # fmt: skip


def test_private_addresses_are_barred_in_every_dress():
    assert [address for address in PRIVATE if fetching.is_public(address)] == []
    for address in ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"):
        assert fetching.is_public(address), address


def test_a_network_can_be_allowed():
    import ipaddress

    allowed = (ipaddress.ip_network("192.168.1.0/24"),)
    assert fetching.is_public("192.168.1.9", allowed)
    assert fetching.is_public("::ffff:192.168.1.9", allowed)
    assert not fetching.is_public("192.168.2.9", allowed)
