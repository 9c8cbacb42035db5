"""The batch command: a result for each picture, on one host or several, resumed, and with hosts that go away."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest
from genga.programs import batch, client, spread
from genga_tests.tools import pack
from genga_tests.tools.stub_hosts import StubHost

PAYLOAD = {"model": "anisora", "mode": "i2v", "prompt": "x"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(spread, "_PAUSE", 0.02)
    monkeypatch.setattr(client, "_POLL_SECONDS", 0.02)


@pytest.fixture
def hosts():
    made = []

    def make(**options) -> StubHost:
        made.append(StubHost(**options))
        return made[-1]

    yield make
    for host in made:
        host.server.server_close()


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        (folder / f"p{number:02d}.png").write_bytes(b"picture %d" % number)
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(pictures, tmp_path, *hosts, **changed) -> dict:
    return batch.run(pictures, {**PAYLOAD, **changed}, tmp_path / "out", [host.url for host in hosts])


def videos(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").glob("*.mp4"))


ALL = [f"p{number:02d}.mp4" for number in range(20)]


def test_one_host_makes_all_and_nothing_twice(hosts, pictures, tmp_path):
    host = hosts()
    report = run(pictures, tmp_path, host)
    assert report["counts"] == {"done": 20} and videos(tmp_path) == ALL
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert host.made[0]["reference_image"] == "cGljdHVyZSAw" and host.made[0]["prompt"] == "x"
    assert run(pictures, tmp_path, host)["counts"] == {"done": 20} and len(host.made) == 20


def test_what_is_missing_or_changed_is_made_again(hosts, pictures, tmp_path):
    host = hosts()
    run(pictures, tmp_path, host)
    (tmp_path / "out" / "p03.mp4").unlink()
    (pictures / "p05.png").write_bytes(b"another")
    run(pictures, tmp_path, host)
    assert len(host.made) == 22 and videos(tmp_path) == ALL
    run(pictures, tmp_path, host, prompt="y")
    assert len(host.made) == 42


def test_two_pictures_of_one_stem_have_two_results(hosts, tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    (folder / "a.jpg").write_bytes(b"2")
    run(folder, tmp_path, hosts())
    assert videos(tmp_path) == ["a.jpg.mp4", "a.png.mp4"]


def test_results_do_not_take_the_names_of_the_records(hosts, tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    for name in ("batch.png", "Report.png"):
        (folder / name).write_bytes(b"the same")
    (folder / "folder.png").mkdir()
    host = hosts()
    assert run(folder, tmp_path, host)["counts"] == {"done": 2}
    assert videos(tmp_path) == ["Report.png.mp4", "batch.png.mp4"]
    (tmp_path / "out" / "batch.png.mp4").unlink()
    report = run(folder, tmp_path, host)
    assert [entry["files"] for entry in report["entries"]] == [["Report.png.mp4"], ["batch.png.mp4"]]
    assert len(host.made) == 3 and len(videos(tmp_path)) == 2


@pytest.mark.parametrize(
    ("payload", "pictures", "ledger", "said"),
    [
        ("{", "full", None, "payload.json: it is not JSON"),
        ("[1]", "full", None, "payload.json: it is no JSON object"),
        (None, "full", None, "payload.json"),
        ("{}", "none", None, "none"),
        ("{}", "empty", None, "empty: there is no picture (.png"),
        ("{}", "full", "{", "batch.json: it is damaged"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch, capsys, payload, pictures, ledger, said):
    for name in ("full", "empty", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "a.png").write_bytes(b"a")
    if payload is not None:
        (tmp_path / "payload.json").write_text(payload)
    if ledger is not None:
        (tmp_path / "out" / "batch.json").write_text(ledger)
    given = [tmp_path / pictures, "--payload", tmp_path / "payload.json", "--out", tmp_path / "out", "--host", "nobody"]
    monkeypatch.setattr(sys, "argv", ["batch.py", *map(str, given)])
    assert batch.main() == 2
    lines = capsys.readouterr().out.splitlines()
    assert said in lines[-1] and len(lines) == 1


def test_a_refused_picture_does_not_stop_the_others(hosts, pictures, tmp_path):
    report = run(pictures, tmp_path, hosts(refuse="cGljdHVyZSAz"))
    assert report["counts"] == {"done": 19, "failed": 1}
    (failed,) = [entry for entry in report["entries"] if entry["state"] == "failed"]
    assert failed["picture"].endswith("p03.png") and failed["errors"] == [{"pointer": "#/x"}]


def test_a_host_that_was_restarted_gets_the_job_again(hosts, pictures, tmp_path):
    host = hosts(forget=2)
    assert run(pictures, tmp_path, host)["counts"] == {"done": 20}
    assert len(host.made) == 22


def test_a_job_that_takes_its_host_down_is_not_tried_for_ever(hosts, pictures, tmp_path):
    report = run(pictures, tmp_path, hosts(forget=spread._PATIENCE))
    assert report["counts"] == {"done": 19, "failed": 1}


def test_a_host_that_is_not_there_leaves_a_report_to_go_on_from(hosts, pictures, tmp_path):
    host = hosts()
    host.end()
    assert run(pictures, tmp_path, host)["counts"] == {"waiting": 20}
    assert run(pictures, tmp_path, hosts())["counts"] == {"done": 20}


def test_several_hosts_share(hosts, pictures, tmp_path):
    pytest.importorskip("distributed")
    first, second = hosts(), hosts()
    assert run(pictures, tmp_path, first, second)["counts"] == {"done": 20} and videos(tmp_path) == ALL
    assert min(len(first.made), len(second.made)) >= 5
    assert len(first.made) + len(second.made) == 20


def test_a_lost_hosts_work_goes_to_the_others(hosts, pictures, tmp_path):
    pytest.importorskip("distributed")
    first, second = hosts(), hosts()

    def doom():
        while len(second.made) < 4:
            time.sleep(0.005)
        second.end()

    threading.Thread(target=doom, daemon=True).start()
    report = run(pictures, tmp_path, first, second)
    assert report["counts"] == {"done": 20} and videos(tmp_path) == ALL
    assert len(first.made) > 10


def test_with_every_host_lost_the_rest_waits(hosts, pictures, tmp_path):
    pytest.importorskip("distributed")
    first, second = hosts(), hosts()
    first.end()
    second.end()
    assert run(pictures, tmp_path, first, second)["counts"] == {"waiting": 20}


def test_without_dask_several_hosts_are_refused_in_words(hosts, pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(spread.NoEngine, match="pip install distributed"):
        run(pictures, tmp_path, hosts(), hosts())


def test_as_a_program(hosts, pictures, tmp_path):
    (tmp_path / "payload.json").write_text(json.dumps(PAYLOAD))
    for path in sorted(pictures.glob("*.png"))[2:]:
        path.unlink()
    script = pack.pack_folder() / "programs" / "batch.py"
    command = [sys.executable, script, pictures, "--payload", tmp_path / "payload.json", "--out", tmp_path / "out"]
    done = subprocess.run([*command, "--host", hosts().url], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert '{"done": 2}' in done.stdout and videos(tmp_path) == ALL[:2]
