"""A folder of pictures through one or several ComfyUI hosts with this pack, from a command line.

    python programs/batch.py PICTURES --payload payload.json --out RESULTS --host http://127.0.0.1:8188 [--host ...]

One result for each picture, under the picture's name. Run it again and only what is missing is made; at the end
RESULTS/report.json tells what became of each.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path

if not __package__:  # run as a script
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    __package__ = "programs"

from . import client, spread

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
LEDGER, REPORT = "batch.json", "report.json"


def tasks_of(folder: Path, payload: dict, field: str, out: Path) -> list[dict]:
    """One for each picture: its file, what its result will be called, and a key of everything that goes into it."""
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    if not pictures:
        raise ValueError(f"{folder}: there is no picture ({', '.join(ENDINGS)}).")
    stems = [path.stem for path in pictures] + [Path(name).stem for name in (LEDGER, REPORT)]  # which keep their names
    tasks = []
    for path in pictures:
        asked = json.dumps([payload, field, path.name], sort_keys=True)  # two pictures may hold the same bytes
        key = hashlib.sha256(asked.encode() + path.read_bytes()).hexdigest()
        stem = path.stem if [stem.lower() for stem in stems].count(path.stem.lower()) == 1 else path.name
        tasks.append(
            {"key": key, "picture": str(path), "stem": stem, "out": str(out), "payload": payload, "field": field}
        )
    return tasks


def work(host: client.Host, task: dict) -> dict:
    """One picture into one result. Raises Refused, Lost or Forgotten."""
    picture = base64.b64encode(Path(task["picture"]).read_bytes()).decode()
    told = {"key": task["key"], "picture": task["picture"], "host": host.url}
    answer = host.generate({**task["payload"], task["field"]: picture})
    files = host.collect(host.wait(answer["prompt_id"]), Path(task["out"]), task["stem"])
    return {**told, "state": "done", "seed": answer["seed"], "files": [path.name for path in files]}


def attempt(host: client.Host, task: dict) -> dict:
    """``work``, with patience; what the host refuses is a failed result, not an error. Raises Lost."""
    try:
        return spread.patient(work, host, task)
    except client.Refused as refusal:
        told = {"key": task["key"], "picture": task["picture"], "host": host.url, "state": "failed"}
        return {**told, "detail": str(refusal), "errors": refusal.problem.get("errors", [])}


class Ledger:
    """What is done, in the results' folder, written after every result."""

    def __init__(self, out: Path):
        self.out, self.path = out, out / LEDGER
        self.results = {result["key"]: result for result in self._known()}

    def _known(self) -> list[dict]:
        if not self.path.is_file():
            return []
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.path}: it is damaged ({error}). Remove it, and all is made again.") from error

    def has(self, task: dict) -> bool:
        result = self.results.get(task["key"], {"state": "waiting"})
        return result["state"] == "done" and all((self.out / name).is_file() for name in result["files"])

    def add(self, result: dict) -> None:
        self.results[result["key"]] = result
        unfinished = self.path.with_name(LEDGER + ".part")
        unfinished.write_text(json.dumps(list(self.results.values()), indent=1), encoding="utf-8")
        unfinished.replace(self.path)


def run(
    folder: Path, payload: dict, out: Path, hosts: list[str], field: str = "reference_image", say=lambda text: None
):
    """The report, as it is written: counts, and an entry for each picture."""
    out.mkdir(parents=True, exist_ok=True)
    ledger, tasks = Ledger(out), tasks_of(folder, payload, field, out)
    missing = [task for task in tasks if not ledger.has(task)]
    say(f"{len(tasks)} pictures, {len(tasks) - len(missing)} done before, {len(hosts)} hosts")
    for number, result in enumerate(spread.run(hosts, missing, attempt), start=1):
        ledger.add(result)
        say(f"{number}/{len(missing)} {Path(result['picture']).name}: {result['state']} ({result['host']})")
    entries = [
        ledger.results.get(task["key"], {"picture": task["picture"], "state": "waiting", "detail": "no host was left"})
        for task in tasks
    ]
    states = [entry["state"] for entry in entries]
    report = {"total": len(tasks), "counts": {state: states.count(state) for state in set(states)}, "entries": entries}
    (out / REPORT).write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def _payload(path: Path) -> dict:
    try:
        payload = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: it is not JSON ({error}).") from error
    if not isinstance(payload, dict):
        raise ValueError(f"{path}: it is no JSON object. Write what POST /genga/generate takes.")
    return payload


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, help="a folder of PNG, JPEG or WebP pictures")
    parser.add_argument("--payload", type=Path, required=True, help="JSON file: what POST /genga/generate takes")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--host", action="append", required=True, help="address of a ComfyUI; give several to share")
    parser.add_argument("--field", default="reference_image", help="the payload's field for the picture")
    options = parser.parse_args()
    hosts = [host if "://" in host else f"http://{host}" for host in options.host]

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    try:
        payload = _payload(options.payload)
        report = run(options.pictures, payload, options.out, hosts, options.field, say)
    except (spread.NoEngine, OSError, ValueError) as error:  # what was given cannot be read, or the results not written
        say(str(error))
        return 2
    say(f"{json.dumps(report['counts'])}: {options.out / REPORT}")
    return 0 if report["counts"] == {"done": report["total"]} else 1


if __name__ == "__main__":
    sys.exit(main())
