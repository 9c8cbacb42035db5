"""Batches on real hosts: one entry in the queue for each picture, resumed after a restart, and shared by two hosts."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
import urllib.error
import urllib.request

import pytest
from genga.programs import batch
from genga_tests.tools import host as host_tools
from genga_tests.tools import pack
from genga_tests.tools.server import Server
from PIL import Image

SMALL = {"width": 16, "height": 16, "num_frames": 16, "steps": 1}
PAYLOAD = {"model": "anisora", "mode": "i2v", "prompt": "She smiles.", "seed": 3, **SMALL}
PICTURES = 20


def png(number: int) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (16, 16), (number * 12, 255 - number * 12, 128)).save(made, "PNG")
    return made.getvalue()


def call(server, method: str, path: str, body=None) -> tuple[int, dict]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def ended(server, name: str, seconds: float = 120) -> dict:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = call(server, "GET", f"/genga/batches/{name}")[1]
        if told["state"] != "running":
            return told
        time.sleep(0.2)
    raise TimeoutError(told)


def test_a_folder_becomes_a_video_each_and_one_report(server):
    folder = server.input / "three pictures"
    folder.mkdir(exist_ok=True)
    for number in range(3):
        (folder / f"pic {number}.png").write_bytes(png(number))
    (folder / "notes.txt").write_text("no picture")
    (folder / "folder.png").mkdir(exist_ok=True)
    body = {"payload": PAYLOAD, "folder": "three pictures", "name": "three"}
    status, told = call(server, "POST", "/genga/batch", body)
    assert (status, told["total"]) == (202, 3), told
    done = ended(server, "three")
    assert done["state"] == "done" and done["counts"] == {"done": 3}
    videos = [entry["files"][0]["filename"] for entry in done["entries"]]
    assert [name[:10] for name in videos] == ["0001_pic_0", "0002_pic_1", "0003_pic_2"]
    report = json.loads(server.read(done["report"]))
    assert report["entries"] == done["entries"]
    # Sent again, nothing is made; without one result, just that one; with other settings it is another batch.
    assert call(server, "POST", "/genga/batch", body)[1]["state"] == "done"
    (server.output / "genga" / "batches" / "three" / videos[1]).unlink()
    for path in (server.output / "genga" / "batches" / "three").glob("0002_*"):
        path.unlink()
    assert call(server, "POST", "/genga/batch", body)[1]["counts"]["done"] == 2
    assert ended(server, "three")["counts"] == {"done": 3}
    assert call(server, "POST", "/genga/batch", {**body, "payload": {**PAYLOAD, "seed": 4}})[0] == 409


BAD = [
    ({}, "#/payload"),
    ({"payload": PAYLOAD}, "#/pictures"),
    ({"payload": PAYLOAD, "pictures": []}, "#/pictures"),
    ({"payload": PAYLOAD, "pictures": ["x"], "folder": "y"}, "#/pictures"),
    ({"payload": PAYLOAD, "folder": "../output"}, "#/folder"),
    ({"payload": PAYLOAD, "folder": "nowhere"}, "#/folder"),
    ({"payload": PAYLOAD, "pictures": ["eA=="]}, "#/pictures/0"),
    ({"payload": PAYLOAD, "pictures": ["input:/etc/hostname"]}, "#/pictures/0"),
    ({"payload": {**PAYLOAD, "fps": 9}, "pictures": ["eA=="]}, "#/payload/fps"),
    (
        {"payload": {**PAYLOAD, "batch_size": 2}, "pictures": [base64.b64encode(png(1)).decode()]},
        "#/payload/batch_size",
    ),
    ({"payload": PAYLOAD, "pictures": [base64.b64encode(png(1)).decode()], "name": "../x"}, "#/name"),
    ({"payload": PAYLOAD, "pictures": ["eA=="], "field": "prompt"}, "#/field"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD)
def test_a_batch_that_cannot_be(server, body, pointer):
    status, told = call(server, "POST", "/genga/batch", body)
    assert status == 422 and pointer in [error["pointer"] for error in told["errors"]], told


def test_a_batch_that_is_not(server):
    assert call(server, "GET", "/genga/batches/none")[0] == 404
    assert call(server, "GET", "/genga/batches/..%2F..")[0] == 404


def test_presets_over_http(server):
    values = {**SMALL, "prompt": "From the preset.", "seed": 11}
    assert call(server, "PUT", "/genga/presets/parameters/tiny", values)[0] == 201
    assert call(server, "PUT", "/genga/presets/parameters/tiny", values)[0] == 200
    assert call(server, "PUT", "/genga/presets/parameters/..%2Ftiny", values)[0] == 422
    odd = "/genga/presets/prompts/%7B1%7D%20%2541%E7%8B%90"
    assert call(server, "PUT", odd, {"prompt": "x"})[1]["name"] == "{1} %41狐"
    assert call(server, "DELETE", odd)[0] == 200
    assert call(server, "GET", "/genga/presets")[1]["parameters"] == ["tiny"]
    exported = call(server, "GET", "/genga/presets/export")[1]
    assert call(server, "DELETE", "/genga/presets/parameters/tiny")[0] == 200
    assert call(server, "POST", "/genga/presets/import", exported)[1]["added"] == ["parameters/tiny"]
    told = call(server, "POST", "/genga/generate", {"model": "anisora", "mode": "t2v", "preset": "tiny"})[1]
    assert told["seed"] == 11
    while call(server, "GET", told["url"])[1]["state"] not in ("done", "failed"):
        time.sleep(0.1)
    record = json.loads(server.read(call(server, "GET", told["url"])[1]["files"][1]["url"]))
    assert "From the preset." in json.dumps(record["prompt"])


@pytest.mark.slow
def test_one_of_two_hosts_is_killed_and_every_picture_has_its_video(server, tiny, tmp_path):
    pytest.importorskip("distributed")
    folder, out = tmp_path / "pictures", tmp_path / "out"
    folder.mkdir()
    for number in range(PICTURES):
        (folder / f"p{number:02d}.png").write_bytes(png(number))
    other = Server(host_tools.folder(), tmp_path / "other")
    tiny.folder(other.base)
    other.install(pack.pack_folder(), pack.TESTS / "tiny" / "host_pack")
    killed = []

    def doom():
        """Kills the second host when some results are there and it has a picture in its hands."""
        while not killed:
            done = len(list(out.glob("*.mp4")))
            if done >= 4 and other.get("/queue")["queue_running"]:
                other.kill()
                killed.append(done)
            time.sleep(0.02)

    with other:
        watcher = threading.Thread(target=doom, daemon=True)
        watcher.start()
        report = batch.run(folder, PAYLOAD, out, [server.url, other.url])
        assert killed and killed[0] < PICTURES, "it was killed in the middle"
    assert report["counts"] == {"done": PICTURES}
    assert len(list(out.glob("*.mp4"))) == PICTURES
    assert all(path.stat().st_size for path in out.glob("*.mp4"))
    by_host = [entry["host"] for entry in report["entries"]]
    assert by_host.count(server.url) >= PICTURES - killed[0] - 2  # two may have come in between
