"""The JSON payloads of the contract, sent to a running host: each becomes its video."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import av
import pytest
from genga_tests.tools import pack, shipped
from genga_tests.tools.convert import to_prompt
from PIL import Image

SMALL = {"width": 64, "height": 48, "num_frames": 16, "fps": 8, "seed": 5}
TEXTS = {"prompt": "She turns around in one smooth movement.", "negative_prompt": "blurry"}


def picture(color: str, size=(64, 48), kind="PNG") -> str:
    made = io.BytesIO()
    Image.new("RGB", size, color).save(made, kind)
    return base64.b64encode(made.getvalue()).decode()


RED, GREEN, BLUE, WHITE = (picture(color) for color in ("red", "lime", "blue", "white"))
KEYS = [
    {"frame_index": 0, "image": RED, "strength": 1.0},
    {"frame_index": 8, "image": GREEN, "strength": 0.5, "mask": WHITE},
    {"frame_index": 16, "image": BLUE},
]
# Every payload of the contract: model, mode, and all the fields that this mode has there.
PAYLOADS = {
    "anisora t2v": {"steps": 2, "guidance_scale": 1.0, "motion_score": 3.0},
    "anisora i2v": {"steps": 2, "reference_image": RED, "reference_strength": 0.85, "denoising_strength": 0.7},
    "anisora first_last_frame": {
        "steps": 2,
        "first_frame_image": RED,
        "last_frame_image": "data:image/jpeg;base64," + picture("blue", kind="JPEG"),
        "first_strength": 1.0,
        "last_strength": 0.5,
    },
    "anisora arbitrary_frame": {"steps": 2, "arbitrary_frames": KEYS},
    "phr00t t2v": {"cfg_scale": 1.0, "lighting_variant": "low noise", "steps": 1},
    "phr00t i2v": {"reference_image": RED, "denoising_strength": 0.7, "steps": 2},
    "phr00t first_last_frame": {"first_frame_image": RED, "last_frame_image": BLUE, "steps": 1},
    "standard i2v": {"reference_image": RED, "steps": 1},
}
IMAGES = {
    "pony t2i": {"cfg_scale": 7.0, "sampler": "DPM++ 2M Karras", "clip_skip": 3, "output_format": "png"},
    "pony i2i": {"reference_image": RED, "denoising_strength": 0.65, "sampler": "Euler a", "output_format": "jpg"},
    "flux t2i": {"guidance_scale": 4.0, "sampler": "Euler", "output_format": "jpg"},
    "flux i2i": {"reference_image": RED, "denoising_strength": 0.75, "sampler": "DPM++ 2M", "output_format": "png"},
}
SAMPLERS = {"DPM++ 2M Karras": "dpmpp_2m", "DPM++ 2M": "dpmpp_2m", "Euler a": "euler_ancestral", "Euler": "euler"}


def call(server, method: str, path: str, body=None):
    """(status, JSON, content type) of any request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read()), answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null"), error.headers.get_content_type()


def payload_of(name: str, **more) -> dict:
    model, mode = name.split(" ")
    return {"model": model, "mode": mode, **TEXTS, **SMALL, **PAYLOADS[name], **more}


def ended(server, url: str, seconds: float = 120) -> dict:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status, job, _ = call(server, "GET", url)
        assert status == 200
        assert job["state"] in ("queued", "running", "done", "failed", "cancelled")
        assert 0 <= job["progress"]["fraction"] <= 1
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.1)
    raise TimeoutError(url)


def inputs_of(record: dict, name: str) -> list:
    return [node["inputs"][name] for node in record["prompt"].values() if name in node["inputs"]]


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_payload_yields_its_video(server, tmp_path, name):
    body = payload_of(name)
    status, told, kind = call(server, "POST", "/genga/generate", body)
    assert (status, kind) == (202, "application/json"), told
    assert told["seed"] == 5 and told["url"] == f"/genga/jobs/{told['prompt_id']}"
    job = ended(server, told["url"])
    assert job["state"] == "done", job
    video, record = job["files"]
    (tmp_path / "video.mp4").write_bytes(server.read(video["url"]))
    with av.open(str(tmp_path / "video.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (64, 48, 8)
        assert sum(1 for _ in container.decode(stream)) == 17
    made = json.loads(server.read(record["url"]))
    assert "num_frames: 16 becomes 17, since Wan makes 4n + 1 frames." in told["notes"]
    assert inputs_of(made, "seed") == [5] and inputs_of(made, "steps") == [body["steps"]]
    texts = [value for field in ("text", "prompt") for value in inputs_of(made, field)]
    assert set(TEXTS.values()) <= set(texts)
    for field in ("motion_score", "first_strength", "last_strength", "lighting_variant"):
        assert field not in body or inputs_of(made, field) == [body[field]]
    assert inputs_of(made, "denoise") == [body.get("denoising_strength", 1.0)]


@pytest.mark.parametrize("name", IMAGES)
def test_every_image_payload_yields_its_picture(server, name):
    model, mode = name.split(" ")
    if f"{model.capitalize()} {mode.upper()}" not in shipped.NAMES:
        pytest.skip("its workflow is not there yet")
    body = {"model": model, "mode": mode, **TEXTS, "width": 256, "height": 272, "seed": 5, "steps": 10, **IMAGES[name]}
    status, told, _ = call(server, "POST", "/genga/generate", body)
    assert status == 202, told
    job = ended(server, told["url"])
    assert job["state"] == "done", job
    picture_file, record = job["files"]
    with Image.open(io.BytesIO(server.read(picture_file["url"]))) as made:
        assert (made.size, made.format) == ((256, 272), {"png": "PNG", "jpg": "JPEG"}[body["output_format"]])
    prompt = json.loads(server.read(record["url"]))
    assert 5 in inputs_of(prompt, "seed") and 10 in inputs_of(prompt, "steps")
    assert TEXTS["prompt"] in inputs_of(prompt, "text")
    assert (TEXTS["negative_prompt"] in inputs_of(prompt, "text")) == (model == "pony")
    assert SAMPLERS[body["sampler"]] in inputs_of(prompt, "sampler_name")
    assert body.get("cfg_scale", body.get("guidance_scale", inputs_of(prompt, "cfg")[0])) in inputs_of(prompt, "cfg")
    assert inputs_of(prompt, "denoise") == [body.get("denoising_strength", 1.0)]
    assert "clip_skip" not in body or inputs_of(prompt, "clip_skip") == [body["clip_skip"]]


def test_a_picture_reaches_the_frame_it_is_meant_for(server, tmp_path):
    told = call(server, "POST", "/genga/generate", payload_of("anisora first_last_frame", last_strength=1.0))[1]
    video = ended(server, told["url"])["files"][0]
    (tmp_path / "video.mp4").write_bytes(server.read(video["url"]))
    with av.open(str(tmp_path / "video.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) for frame in container.decode(video=0)]
    assert frames[0].argmax() == 0  # red
    assert frames[-1].argmax() == 2  # blue


def test_a_batch_is_as_many_jobs_each_with_its_seed(server):
    body = payload_of("anisora t2v", batch_size=3, seed=2147483646, steps=1)
    told = call(server, "POST", "/genga/generate", body)[1]
    assert [job["seed"] for job in told["jobs"]] == [2147483646, 2147483647, 0]
    files = [ended(server, job["url"])["files"][0]["filename"] for job in told["jobs"]]
    assert len(set(files)) == 3


def test_a_seed_is_drawn_and_told(server):
    told = [call(server, "POST", "/genga/generate", payload_of("phr00t t2v", seed=-1))[1] for _ in range(2)]
    assert told[0]["seed"] != told[1]["seed"]
    record = json.loads(server.read(ended(server, told[0]["url"])["files"][1]["url"]))
    assert inputs_of(record, "seed") == [told[0]["seed"]]


REFUSED = [
    ({"model": "phr00t", "mode": "arbitrary_frame", "arbitrary_frames": KEYS}, "#/mode", "use anisora"),
    ({"width": 500, "height": 512}, "#/width", "multiple of 16"),
    ({"mode": "i2v"}, "#/reference_image", "needs it"),
    ({"mode": "i2v", "reference_image": "aGVsbG8="}, "#/reference_image", "no PNG, JPEG or WebP"),
    ({"mode": "i2v", "reference_image": RED[:-40]}, "#/reference_image", "damaged"),
    ({"mode": "i2v", "reference_image": "http://127.0.0.1:1/a.png"}, "#/reference_image", "private address"),
    ({"mode": "i2v", "reference_image": "file:///etc/passwd"}, "#/reference_image", "neither base64 nor"),
    ({"files": {"vae": "no.safetensors"}}, "#/files/vae", "no.safetensors is not there"),
    ({"lora_set": "no such set"}, "#/lora_set", "no such set"),
    ({"preset": "no such preset"}, "#/preset", "no such preset"),
]


@pytest.mark.parametrize(("changed", "pointer", "said"), REFUSED)
def test_what_cannot_be_is_refused_where_it_stands(server, changed, pointer, said):
    body = {"model": "anisora", "mode": "t2v", "prompt": "x", **changed}
    status, told, kind = call(server, "POST", "/genga/generate", body)
    assert (status, kind, told["status"]) == (422, "application/problem+json", 422)
    (error,) = [error for error in told["errors"] if said in error["detail"]]
    assert error["pointer"] == pointer


def test_a_body_that_is_no_json_and_a_job_that_is_not(server):
    request = urllib.request.Request(server.url + "/genga/generate", b"{", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    assert call(server, "GET", "/genga/jobs/none")[0] == 404


def test_a_failing_job_says_why(server):
    body = payload_of("anisora t2v", files={"vae": "wan_2.1_vae.safetensors"})
    body["files"]["text_encoder"] = "broken.safetensors"
    (server.models / "text_encoders" / "broken.safetensors").write_bytes(b"broken")
    told = call(server, "POST", "/genga/generate", body)[1]
    job = ended(server, told["url"])
    assert job["state"] == "failed" and "broken.safetensors" in job["errors"][0]["detail"]
    (server.models / "text_encoders" / "broken.safetensors").unlink()


def test_the_pack_reads_workflows_as_the_page_does(server):
    """The pack's own reading of a workflow against the tests' (which a browser test holds against the page's)."""
    from genga.programs.graphs import Graph

    info = server.get("/object_info")

    def describe(kind):
        return info[kind]["input"] if kind in info else None

    for name in shipped.NAMES:
        mine = Graph.of_workflow(shipped.load(name), describe).nodes
        theirs = to_prompt(shipped.load(name), info)
        assert {i: (n["class_type"], n["inputs"]) for i, n in mine.items()} == {
            i: (n["class_type"], n["inputs"]) for i, n in theirs.items()
        }, name


def test_the_schema_is_served(server):
    told = server.get("/genga/schema")
    assert told["properties"]["model"]["enum"][:2] == ["anisora", "phr00t"]


def test_the_client_in_the_readme_works(server, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (pack.ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    small = '"width": 64, "height": 48, "num_frames": 17, "steps": 1, "prompt":'
    code = code.replace("http://127.0.0.1:8188", server.url).replace('"prompt":', small)
    (tmp_path / "girl.png").write_bytes(base64.b64decode(RED))
    (tmp_path / "client.py").write_text(code)
    done = subprocess.run([sys.executable, "client.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.suffix for path in tmp_path.glob("anisora_*")) == [".json", ".mp4"]
