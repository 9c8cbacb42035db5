"""One job of the host's queue: put there by the host's own POST /prompt, followed by its queue, history and progress."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from .. import compat
from .problems import Problem


async def queue(request, prompt: dict) -> dict:
    """Validates and queues an API prompt by the host's own handler; its answer, with ``prompt_id`` if it took it."""
    return await compat.post_prompt(request, {"prompt": prompt, "extra_data": {}})


class Queue:
    """The host's queue and history, as they are at this moment."""

    def __init__(self, server):
        running, waiting = server.prompt_queue.get_current_queue_volatile()
        self.history = server.prompt_queue.get_history
        self.running = {item[1]: item[2] for item in running}
        self.places = {item[1]: place for place, item in enumerate(sorted(waiting, key=lambda item: item[:2]), start=1)}

    def look(self, identity: str) -> dict:
        """State, progress, files and errors of a job; Problem 404 for one that the host does not know."""
        if identity in self.running:
            return _told(identity, "running", progress=_progress(identity, self.running[identity]))
        if identity in self.places:
            return _told(identity, "queued", position=self.places[identity])
        entry = self.history(prompt_id=identity).get(identity)
        if entry is None:
            raise Problem(404, f"There is no job {identity[:80]!r}: the host forgets its jobs when it is restarted.")
        return _ended(identity, entry)


def _told(identity: str, state: str, **more) -> dict:
    empty = {"progress": {"fraction": 0.0}, "files": [], "errors": [], "notes": []}
    return {"id": identity, "state": state, **empty, **more}


def _progress(identity: str, prompt: dict) -> dict:
    """How far the running job is: nodes done, and how far the node at work is. fraction: 0 to 1 over all nodes."""
    from comfy_execution.progress import get_progress_state

    registry = get_progress_state()
    if registry.prompt_id != identity or not prompt:
        return {"fraction": 0.0}
    nodes = {name: dict(state) for name, state in dict(registry.nodes).items() if name in prompt}
    done = sum(state["state"].value == "finished" for state in nodes.values())
    told = {"nodes_done": done, "nodes": len(prompt)}
    part = 0.0
    for name, state in nodes.items():
        if state["state"].value == "running":
            part = state["value"] / state["max"] if state["max"] else 0.0
            told |= {"node": prompt[name]["class_type"], "value": state["value"], "max": state["max"]}
    return {"fraction": round(min(1.0, (done + part) / len(prompt)), 4), **told}


def _ended(identity: str, entry: dict) -> dict:
    status = entry.get("status") or {}
    messages = dict((name, data) for name, data in status.get("messages", ()))
    outputs = entry.get("outputs") or {}
    notes = [line for output in outputs.values() for line in output.get("text", ()) if isinstance(line, str)]
    if status.get("status_str") == "success":
        found = saved(outputs)
        return _told(identity, "done", files=found, notes=notes, progress={"fraction": 1.0})
    if "execution_interrupted" in messages:
        return _told(identity, "cancelled", notes=notes)
    failed = messages.get("execution_error", {})
    detail = f"{failed.get('node_type')}: {failed.get('exception_message')}".strip()
    return _told(identity, "failed", notes=notes, errors=[{"detail": detail, "node": failed.get("node_type")}])


def saved(outputs: dict) -> list[dict]:
    """Every file that the outputs of a finished job name in the output folder, with the address it is read at."""
    items = [
        item
        for output in outputs.values()
        for values in output.values()
        if isinstance(values, (list, tuple))
        for item in values
        if isinstance(item, dict) and item.get("type") == "output" and item.get("filename")
    ]
    return [file for item in items for file in _with_record(item["filename"], item.get("subfolder", ""))]


def _with_record(name: str, subfolder: str) -> list[dict]:
    """The file, and the JSON beside it if there is one."""
    import folder_paths

    names = [name]
    record = Path(name).with_suffix(".json").name
    if record != name and (Path(folder_paths.get_output_directory()) / subfolder / record).is_file():
        names.append(record)
    return [file_entry(one, subfolder) for one in names]


def file_entry(name: str, subfolder: str) -> dict:
    """A file of the output folder, with the address at which the host shows it."""
    place = {"filename": name, "subfolder": subfolder, "type": "output"}
    return {**place, "url": "/view?" + urlencode(place)}
