"""A batch: many pictures, one set of parameters, one entry in the queue for each.

Everything of a batch lies in ``output/genga/batches/<name>``: ``batch.json`` with what was asked, the results
``0001_...`` and, once all have ended, ``report.json``. A result that lies there is done, whatever the host has
forgotten; so sending the same batch again queues only what is missing, also after a restart.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import re
from pathlib import Path

from .. import places
from ..errors import InputError
from . import jobs, orders
from .families import PICTURES
from .problems import Fault, Problem, of_input, pointer, refused

FOLDER = "genga/batches"
MOST = 1000
_FIELDS = ("payload", "pictures", "folder", "field", "name")
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")
_RESULT = re.compile(r"(?P<title>.+)_\d{8}_\d{6}(_\d+)?\.\w+")  # as media.naming stamps them
_LOOK_SECONDS = 2.0
_watches: set[asyncio.Task] = set()
_queueing = asyncio.Lock()  # the same batch sent twice at once is queued once


def check(body: dict) -> None:
    """The form of a batch; Problem with its faults."""
    faults = [Fault(pointer(name), f"{name[:60]}: there is no such field.") for name in body if name not in _FIELDS]
    if not isinstance(body.get("payload"), dict):
        faults.append(
            Fault("/payload", "payload: it is missing. Give what POST /genga/generate takes, less the picture.")
        )
    if ("pictures" in body) == ("folder" in body):
        faults.append(
            Fault("/pictures", "pictures: give either pictures or folder, a folder in ComfyUI's input folder.")
        )
    listed = body.get("pictures", ["x"])
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST or not all(isinstance(one, str) for one in listed):
        faults.append(Fault("/pictures", f"pictures: this is no list of 1 to {MOST} pictures, each base64 or a URL."))
    for name in ("folder", "field", "name"):
        if name in body and not isinstance(body[name], str):
            faults.append(Fault(pointer(name), f"{name}: it is no text."))
    if faults:
        raise refused(faults)


async def begin(request, server, body: dict) -> dict:
    """Queues every entry that is not done and not queued; the batch as ``look`` tells it."""
    check(body)
    listed, names = _listed(body)
    field = body.get("field") or _picture_field(body["payload"])
    # Everything is checked before the first entry is queued.
    ready = [await _order(body, field, picture, number) for number, picture in enumerate(listed)]
    async with _queueing:
        batch = _batch(body, field, names, ready)
        await _queue(request, server, batch, ready)
    _watch(server, batch["name"])
    return look(server, batch["name"])


async def _queue(request, server, batch: dict, ready: list[orders.Order]) -> None:
    """Queues what is missing; what was queued is kept even where the host refuses the rest."""
    now = _Now(server, batch["name"])
    try:
        for entry, order in zip(batch["entries"], ready, strict=True):
            if now.state(entry)["state"] not in ("done", "queued", "running"):
                queued = await orders.queue(request, order, entry["seed"], _prefix(batch["name"], entry))
                entry["prompt_id"] = queued["prompt_id"]
    finally:
        _save(batch)


def _listed(body: dict) -> tuple[list[str | Path], list[str]]:
    """The pictures, as a payload takes them or as files of ours, and a name for each."""
    if "pictures" in body:
        return body["pictures"], ["" for _ in body["pictures"]]
    files = _files(body["folder"])
    return files, [path.stem for path in files]


def _files(name: str) -> list[Path]:
    import folder_paths

    root = Path(folder_paths.get_input_directory()).resolve()
    try:
        folder = (root / name).resolve()
        inside = folder.is_relative_to(root) and folder.is_dir()
        found = sorted(filter(_is_picture, folder.iterdir())) if inside else []
    except (OSError, ValueError):
        found = []
    if not found or len(found) > MOST:
        detail = f"folder: {name[:80]!r} is no folder in {root} with 1 to {MOST} PNG, JPEG or WebP pictures."
        raise refused([Fault("/folder", detail)])
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and path.is_file()


def _picture_field(payload: dict) -> str:
    """Where the picture goes when the batch does not say."""
    fields = PICTURES.get(payload.get("mode") if isinstance(payload.get("mode"), str) else "", ())
    return fields[0] if fields else "reference_image"


async def _order(body: dict, field: str, picture: str | Path, number: int) -> orders.Order:
    if field not in ("reference_image", "first_frame_image", "last_frame_image"):
        raise refused([Fault("/field", f"field: {field[:60]!r} holds no single picture. Use reference_image.")])
    place = pointer("pictures", number) if "pictures" in body else "/folder"
    try:
        text = base64.b64encode(picture.read_bytes()).decode() if isinstance(picture, Path) else picture
        order = await orders.take({**body["payload"], field: text})
    except Problem as problem:
        faults = [Fault(_moved(fault.pointer, field, place), fault.detail) for fault in problem.faults]
        raise Problem(problem.status, problem.detail, faults) from problem
    if order.count != 1:
        raise refused([Fault("/payload/batch_size", "batch_size: each picture is one entry. Leave it out.")])
    return order


def _moved(old: str, field: str, place: str) -> str:
    return place if old == pointer(field) else "/payload" + old


def _batch(body: dict, field: str, names: list[str], ready: list[orders.Order]) -> dict:
    """The batch as it is kept: the one of this name if it asks for the same, else a new one."""
    asked = json.dumps([body["payload"], field, [_pictures(order) for order in ready]], sort_keys=True)
    digest = hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()[:16]
    name = body.get("name") or digest
    try:
        places.file_name(name, "name", "a batch")
    except InputError as error:
        raise refused([of_input(error, "/name")]) from error
    if "%" in name:  # the host would fill in %year% and the like
        raise refused([Fault("/name", "name: it holds %. Leave it out.")])
    kept = _kept(name)
    if kept and kept["digest"] != digest:
        raise Problem(409, f"There is another batch {name!r}. Choose another name.", [Fault("/name", "It is taken.")])
    if kept:
        return kept
    entries = [
        {"number": number, "picture": _stem(names[number - 1]), "seed": order.seeds()[0], "prompt_id": ""}
        for number, order in enumerate(ready, start=1)
    ]
    return {"name": name, "digest": digest, "workflow": ready[0].built.workflow, "entries": entries}


def _pictures(order: orders.Order) -> list[str]:
    """The stored pictures of an order: their names are hashes of their bytes."""
    return sorted(value for node in order.built.graph.nodes.values() for value in node["inputs"].values()
                  if isinstance(value, str) and value.endswith("[output]"))  # fmt: skip


def _stem(name: str) -> str:
    return _UNSAFE.sub("_", name)[:60]


def _folder(name: str) -> Path:
    import folder_paths

    return Path(folder_paths.get_output_directory()) / FOLDER / name


def _prefix(name: str, entry: dict) -> str:
    return f"{FOLDER}/{name}/{_title(entry)}"


def _title(entry: dict) -> str:
    return "_".join(filter(None, (f"{entry['number']:04d}", entry["picture"])))


def _kept(name: str) -> dict | None:
    path = _folder(name) / "batch.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError) as error:
        raise Problem(503, f"{path} cannot be read ({error}). Remove it.") from error


def _save(batch: dict) -> None:
    folder = _folder(batch["name"])
    folder.mkdir(parents=True, exist_ok=True)
    places.write(folder / "batch.json", json.dumps(batch, ensure_ascii=False, indent=1))


def _results(name: str) -> dict[str, list[str]]:
    """The whole files of each entry by its title: names are held by empty files before."""
    folder, found = _folder(name), {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _RESULT.fullmatch(path.name)
        if match and path.is_file() and path.stat().st_size:
            found.setdefault(match["title"], []).append(path.name)
    return {title: names for title, names in found.items() if any(not one.endswith(".json") for one in names)}


class _Now:
    """What is known of a batch at this moment: its files, and the host's queue."""

    def __init__(self, server, name: str):
        self.name, self.results, self.queue = name, _results(name), jobs.Queue(server)

    def state(self, entry: dict) -> dict:
        """What there is to say of one entry. waiting: not in the queue; send the batch again."""
        told = {"number": entry["number"], "picture": entry["picture"], "seed": entry["seed"]}
        files = self.results.get(_title(entry))
        if files:
            return {**told, "state": "done", "files": [jobs.file_entry(one, f"{FOLDER}/{self.name}") for one in files]}
        try:
            job = self.queue.look(entry["prompt_id"])
        except Problem:
            return {**told, "state": "waiting", "files": []}
        ran = "failed" if job["state"] == "done" else job["state"]  # done, and the file was taken away since
        return {**told, "state": ran, "files": [], "prompt_id": entry["prompt_id"], "errors": job["errors"]}


def look(server, name: str) -> dict:
    """The batch with the state of every entry; Problem 404 for one that is not there."""
    try:
        places.file_name(name, "name", "a batch")
        batch = _kept(name)
    except InputError:
        batch = None
    if batch is None:
        raise Problem(404, f"There is no batch {name[:80]!r}.")
    now = _Now(server, name)
    entries = [now.state(entry) for entry in batch["entries"]]
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry["state"]] = counts.get(entry["state"], 0) + 1
    told = {"name": name, "workflow": batch["workflow"], "total": len(entries), "counts": counts, "entries": entries}
    busy = counts.get("queued", 0) + counts.get("running", 0)
    if not busy:
        places.write(_folder(name) / "report.json", json.dumps(told, ensure_ascii=False, indent=1))
        told["report"] = jobs.file_entry("report.json", f"{FOLDER}/{name}")["url"]
    return {**told, "state": "running" if busy else "done" if counts.get("done") == len(entries) else "stopped"}


def _watch(server, name: str) -> None:
    """Writes the report when the last entry has ended, whether or not anybody asks."""

    async def watching():
        with contextlib.suppress(Problem, OSError):  # its folder was taken away
            while look(server, name)["state"] == "running":
                await asyncio.sleep(_LOOK_SECONDS)
        logging.info("[Genga] batch %s has ended: %s", name, _folder(name) / "report.json")

    task = asyncio.get_running_loop().create_task(watching())
    _watches.add(task)
    task.add_done_callback(_watches.discard)
