"""Run as a program: starts a host's modules once, then runs prompts, each in a process that may kill itself.

``doomed_process.py HOST BASE`` reads one JSON object a line, ``{"prompt": …, "moment": … or null}``, and answers
each with a line: ``{"exit": code, "outputs": …, "errors": […], "calls": {kind: number}}``; of a killed process only
its code. Where the system can fork, the host's modules are imported once for all, and a prompt with ``"warm": true``
runs in the process that forks, so that later ones find its models loaded; elsewhere each process does all by itself.

A moment is ``{"kind": one of KINDS, "call": n}``: at the n-th call in that part of the pack the process is killed
as the system kills, so nothing is closed, flushed or tidied up. Calls are counted, and time is lost by that, where
there is a moment; ``{}`` is a moment that never comes.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import multiprocessing
import os
import sys
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
EXTRAS = ("nodes_custom_sampler", "nodes_audio", "nodes_audio_encoder", "nodes_video")
# Which calls count: of one function, or all that the functions of a file are and make.
KINDS = {
    "sampling": {"samplers/windows/progress.py": "after_step"},
    "writing": {"media/video.py": "_encode"},
    "sealing": {"samplers/windows/store.py": None},
    "joining": {"media/segments.py": None},
    "saving": {
        "media/pieces.py": None,
        "media/naming.py": None,
        "media/unfinished.py": None,
        "media/metadata.py": None,
    },
}

executor = None


def boot(host: str, base: str) -> None:
    """The host's modules, the nodes that the prompts use, and an executor that is kept."""
    global executor
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    spec = importlib.util.spec_from_file_location("genga_bootstrap", HERE / "pack.py")
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    bootstrap.alias_tests()
    from genga_tests.tools import host as host_tools

    host_tools.aim(Path(host), Path(base))
    import torch
    import tqdm

    torch.set_num_threads(1)  # a process that forks must not have threads
    tqdm.tqdm.monitor_interval = 0
    import execution

    import nodes

    extras = [Path(host) / "comfy_extras" / f"{name}.py" for name in EXTRAS]
    packs = [Path(base) / "custom_nodes" / name for name in ("genga_tiny_host", "ComfyUI-Genga")]
    for path in [*extras, *packs]:
        parent = "comfy_extras" if path.suffix else "custom_nodes"
        assert asyncio.run(nodes.load_custom_node(str(path), module_parent=parent)), path
    nobody = SimpleNamespace(client_id=None, last_node_id=None, send_sync=lambda *_: None)
    executor = execution.PromptExecutor(nobody, cache_args={"ram": 0.0, "ram_inactive": 0.0, "lru": 0})


def run(prompt: dict) -> dict:
    """Runs a prompt in this process, with the host's own executor and what it has cached."""
    import nodes

    ends = [name for name, node in prompt.items() if is_end(nodes.NODE_CLASS_MAPPINGS[node["class_type"]])]
    executor.execute(prompt, "doomed", {}, ends)
    errors = [str(data) for name, data in executor.status_messages if name == "execution_error"]
    return {"outputs": executor.history_result["outputs"], "errors": errors}


def play(host: str, base: str, order: dict, answers) -> None:
    """Runs the prompt of an order and answers, or is killed."""
    if executor is None:
        boot(host, base)
    calls = dict.fromkeys(KINDS, 0)
    if order["moment"] is not None:
        sys.setprofile(watch((Path(base) / "custom_nodes" / "ComfyUI-Genga").resolve(), calls, order["moment"]))
    try:
        answer = run(order["prompt"])
    finally:
        sys.setprofile(None)
    answers.send({**answer, "calls": calls})


def is_end(node) -> bool:
    return bool(getattr(node, "OUTPUT_NODE", False))


def watch(pack: Path, calls: dict[str, int], moment: dict):
    """A profiler that counts the calls of every kind, and kills at the one of ``moment``."""
    import psutil

    kinds = {str(pack / file): (kind, name) for kind, files in KINDS.items() for file, name in files.items()}
    known: dict[str, tuple | None] = {}
    self = psutil.Process()

    def look(frame, event, _called):
        code = frame.f_code
        if code.co_filename not in known:
            known[code.co_filename] = kinds.get(str(Path(code.co_filename).resolve()))
        found = known[code.co_filename]
        if found is None:
            return
        kind, function = found
        if function is None or (code.co_name, event) == (function, "call"):
            if moment == {"kind": kind, "call": calls[kind]}:
                self.kill()
            calls[kind] += 1

    return look


def apart(context, *given) -> dict:
    """``play`` in a process of its own."""
    near, far = context.Pipe(duplex=False)
    process = context.Process(target=play, args=(*given, far))
    process.start()
    far.close()
    try:
        answer = near.recv()
    except EOFError:
        answer = {}
    process.join()
    return {"exit": process.exitcode, **answer}


def main() -> None:
    host, base = sys.argv[1:]
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")  # what the host prints must not get between
    os.dup2(2, 1)
    forks = hasattr(os, "fork")
    context = multiprocessing.get_context("fork" if forks else "spawn")
    if forks:
        boot(host, base)
    for line in sys.stdin:
        order = json.loads(line)
        if not order.get("warm"):
            answer = apart(context, host, base, order)
        else:
            answer = run(order["prompt"]) if forks else {}
        lines.write(json.dumps(answer, default=str) + "\n")
        lines.flush()


if __name__ == "__main__":
    main()
