"""Thousands of payloads at the API, made from its own schema and then bent: never a 500, never a file elsewhere.

2,000 requests with --full, fewer without. Nobody works on the queue here: what is accepted stays in it.
"""

from __future__ import annotations

import base64
import copy
import io
import json

import pytest
from genga_tests.tools.from_schema import JSON, values
from genga_tests.tools.queue_only import running
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

SHORT, FULL = 100, 2000
ANSWERS = {202, 400, 404, 405, 409, 413, 422}


@pytest.fixture(scope="module")
def api(host, tiny):
    tiny.folder(host.base)
    with running(host) as found:
        yield found


def png(size=(16, 16), kind="PNG", **options) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, "red").save(made, kind, **options)
    return made.getvalue()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pictures() -> st.SearchStrategy[str]:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    good = [_text(png()), "data:image/png;base64," + _text(png((32, 16))), _text(png(kind="JPEG"))]
    bad = [
        _text(png()[:40]),
        _text(png(kind="GIF")),
        _text(png(kind="WEBP", save_all=True, append_images=frames)),
        _text(b"<svg onload='x'/>"),
        "data:text/html;base64,PGI+",
        "../../etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:1/a.png",
        "http://localhost/a",
        "http://[::1]/",
        "http://",
        "http://a b/\x00",
        "HTTPS://169.254.169.254/latest",
    ]
    return st.sampled_from(good) | st.sampled_from(good) | st.sampled_from(bad) | st.text(min_size=1, max_size=30)


def payloads(schema: dict) -> st.SearchStrategy[dict]:
    """Mostly of one model and mode with the pictures that it needs, since a random mixture seldom passes."""
    schema = copy.deepcopy(schema)
    schema["properties"]["batch_size"]["maximum"] = 3
    parts = {name: values(part, schema, pictures()) for name, part in schema["properties"].items()}
    modes = [rule["if"]["properties"]["model"]["const"] for rule in schema["allOf"] if "model" in _asked(rule)]

    @st.composite
    def made(draw):
        model = draw(st.sampled_from(modes))
        (rule,) = [r for r in schema["allOf"] if _asked(r).get("model", {}).get("const") == model]
        mode = draw(st.sampled_from(rule["then"]["properties"]["mode"]["enum"]))
        (needs,) = [
            r["then"]
            for r in schema["allOf"]
            if _asked(r).get("mode", {}).get("const") == mode and "required" in r["then"]
        ]
        body = {"model": model, "mode": mode, "prompt": draw(parts["prompt"])}
        body |= {name: draw(parts[name].filter(lambda value: value is not None)) for name in needs["required"]}
        for name in draw(st.lists(st.sampled_from(sorted(parts)), max_size=6, unique=True)):
            part = rule["then"]["properties"].get(name, {})
            narrowed = schema["properties"][name] | part if "enum" in part else None
            body.setdefault(name, draw(values(narrowed, schema, pictures()) if narrowed else parts[name]))
        if body.get("width") or body.get("height"):
            body["width"] = body["height"] = 64
        return body

    return made()


def _asked(rule: dict) -> dict:
    return rule["if"].get("properties", {})


@st.composite
def bent(draw, schema: dict):
    """A payload, and in one of three some of its fields exchanged for any JSON at all."""
    body = draw(payloads(schema))
    if draw(st.integers(0, 2)) == 0:
        for name in draw(st.lists(st.sampled_from([*sorted(schema["properties"]), "x", ""]), min_size=1, max_size=3)):
            body[name] = draw(JSON)
    return body


def files_below(base, output) -> set[str]:
    found = (path for path in base.rglob("*") if path.is_file() and output not in path.parents)
    return {str(path.relative_to(base)) for path in found}


def test_no_payload_makes_an_error_or_a_file_elsewhere(api, host, request):
    schema = json.loads(api.ask("GET", "/genga/schema")[2])
    before = files_below(host.base, host.output)
    counts: dict[int, int] = {}

    @settings(
        max_examples=FULL if request.config.getoption("--full") else SHORT,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(bent(schema))
    def ask(body):
        status, kind, answer = api.ask("POST", "/genga/generate", json.dumps(body).encode())
        told = json.loads(answer)
        assert status in ANSWERS, (status, told, body)
        assert kind == ("application/json" if status == 202 else "application/problem+json")
        if status != 202:
            assert told["status"] == status and told["detail"].strip()
            assert all(error["pointer"].startswith("#") and error["detail"] for error in told["errors"])
        else:
            assert api.ask("GET", told["url"])[0] == 200
        counts[status] = counts.get(status, 0) + 1
        api.clear()

    ask()
    assert files_below(host.base, host.output) == before
    assert counts[202] > counts[422] / 20, counts  # else the fuzzing never got past the door


@settings(max_examples=100, deadline=None, database=None)
@given(raw=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | JSON.map(lambda v: json.dumps(v).encode()))
def test_no_body_makes_an_error(api, raw):
    asked = [("POST", path) for path in ("/genga/generate", "/genga/batch", "/genga/presets/import")]
    for method, path in [*asked, ("PUT", "/genga/presets/prompts/a"), ("PUT", "/genga/presets/lora_sets/b")]:
        assert api.ask(method, path, raw)[0] in ANSWERS


def test_no_batch_makes_an_error_or_a_file_elsewhere(api, host):
    schema = json.loads(api.ask("GET", "/genga/schema")[2])
    before, counts = files_below(host.base, host.output), []
    names = st.sampled_from(["a", "../a", "%year%", "CON", "input:/etc/passwd"]) | st.text(max_size=70)
    batches = st.fixed_dictionaries(
        {"payload": payloads(schema)},
        optional={
            "pictures": st.lists(pictures(), max_size=3),
            "folder": names,
            "name": names,
            "field": names,
            "x": JSON,
        },
    )

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(batches)
    def ask(body):
        status, _, answer = api.ask("POST", "/genga/batch", json.dumps(body).encode())
        assert status in ANSWERS, answer
        if status == 202:
            counts.append(json.loads(answer)["name"])
        api.clear()

    ask()
    assert files_below(host.base, host.output) == before
    body = {"payload": {"model": "anisora", "mode": "i2v", "prompt": "x"}, "pictures": [_text(png())], "name": "fine"}
    status, _, answer = api.ask("POST", "/genga/batch", json.dumps(body).encode())
    assert status == 202 and json.loads(answer)["counts"] == {"queued": 1}
    api.clear()
    status, _, answer = api.ask("GET", "/genga/batches/fine")
    assert json.loads(answer)["state"] == "stopped"


def test_a_lora_set_stands_between_the_loader_and_the_rest(api):
    values = {"high": [{"file": "a.safetensors", "strength": 0.5}], "low": []}
    assert api.ask("PUT", "/genga/presets/lora_sets/style", json.dumps(values).encode())[0] in (200, 201)
    body = {"model": "anisora", "mode": "t2v", "prompt": "x", "lora_set": "style"}
    assert api.ask("POST", "/genga/generate", json.dumps(body).encode())[0] == 202
    prompt = api.server.prompt_queue.queue[0][2]
    api.clear()
    (added,) = [identity for identity, node in prompt.items() if node["class_type"] == "GengaLoraSet"]
    (loader,) = [identity for identity, node in prompt.items() if node["class_type"] == "GengaAniSoraLoader"]
    assert prompt[added]["inputs"] == {"high": [loader, 0], "low": [loader, 1], "strength": 1.0, "lora_set": "style"}
    (sampler,) = [node["inputs"] for node in prompt.values() if node["class_type"] == "GengaExpertSampler"]
    assert (sampler["high"], sampler["low"]) == ([added, 0], [added, 1])


def test_another_sites_page_is_refused_as_the_host_refuses_it(api):
    async def ask():
        headers = {"Origin": "http://evil.example", "Host": "127.0.0.1:8188"}
        async with api.client.request("POST", "/genga/generate", data=b"{}", headers=headers) as answer:
            return answer.status

    assert api.loop.run_until_complete(ask()) == 403


def test_a_body_beyond_the_hosts_limit_is_a_problem(api, monkeypatch):
    monkeypatch.setattr(api.server.app, "_client_max_size", 1000)
    status, kind, answer = api.ask("POST", "/genga/generate", b"{" + b" " * 5000)
    assert (status, kind) == (413, "application/problem+json")
