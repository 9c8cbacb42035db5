"""Pictures in a payload, judged by their bytes; and what a person may change about it."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib

import pytest

pytest.importorskip("aiohttp")

from genga import places  # noqa: E402
from genga.errors import InputError  # noqa: E402
from genga.programs import pictures, problems, settings  # noqa: E402
from PIL import Image  # noqa: E402

PLAIN = settings.Settings()


def made(kind: str, size=(20, 10), **options) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, kind, **options)
    return out.getvalue()


def refused(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def test_the_bytes_say_what_it_is():
    assert [pictures.kind_of(made(kind), PLAIN) for kind in ("PNG", "JPEG", "WEBP")] == ["png", "jpg", "webp"]
    for data in (made("GIF"), made("BMP"), made("PNG")[:45], b"", b"<svg/>", made("JPEG")[:200]):
        assert "no PNG, JPEG or WebP" in refused(pictures.kind_of, data, PLAIN)


def test_an_animation_and_a_bomb():
    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue")]
    assert "animation of 2" in refused(pictures.kind_of, made("WEBP", save_all=True, append_images=frames[1:]), PLAIN)
    small = settings.Settings(picture_megapixels=0.01)
    assert "0.01 megapixels" in refused(pictures.kind_of, made("PNG", (200, 100)), small)
    header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb = made("PNG")[:12] + header + struct.pack(">I", zlib.crc32(header)) + made("PNG")[33:]
    assert refused(pictures.kind_of, bomb, PLAIN)


def test_base64_in_its_forms_and_its_limit():
    data = made("PNG")
    text = base64.b64encode(data).decode()
    for form in (text, "data:image/png;base64," + text, text[:30] + "\n " + text[30:]):
        assert pictures.decode(form, 10_000) == data
    assert "larger than" in refused(pictures.decode, text, len(data) - 3)
    assert pictures.decode(text, len(data)) == data
    for form in ("data:image/png,abc", "a.png", "file:///etc/passwd", text[:-1]):
        assert "neither base64 nor" in refused(pictures.decode, form, 10_000)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "private", lambda name: tmp_path)
    return tmp_path / settings.NAME


def test_settings_are_read_anew(file):
    assert settings.read() == PLAIN
    file.write_text(json.dumps({"picture_mb": 1, "allow_addresses": ["10.0.0.0/8", "::1"], "files": {"a": "b"}}))
    found = settings.read()
    assert (found.picture_bytes, len(found.allow_addresses), found.files) == (1_000_000, 2, {"a": "b"})


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"x": 1}', '{"picture_mb": 0}', '{"picture_mb": "1"}', '{"allow_addresses": ["here"]}',
             '{"allow_addresses": 3}', '{"files": {"a": 1}}', '{"files": []}'],
)  # fmt: skip
def test_settings_that_cannot_be_used(file, text):
    file.write_text(text)
    with pytest.raises(problems.Problem) as caught:
        settings.read()
    assert caught.value.status == 503 and settings.NAME in caught.value.detail
