"""Run as a program: starts a host's modules once, then runs prompts, each in a process that may kill itself.

``doomed_process.py HOST BASE`` reads one JSON object a line, ``{"prompt": …, "moment": … or null}``, and answers
each with a line: ``{"exit": code, "outputs": …, "errors": […], "calls": {kind: number}}``; of a killed process only
its code. Where the system can fork, the host's modules are imported once for all; elsewhere once per prompt.

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
    "saving": {"media/pieces.py": None, "media/naming.py": None, "media/unfinished.py": None, "media/metadata.py": None},
}


def boot(host: str, base: str) -> None:
    """The host's modules and the nodes that the prompts use, but not the pack: each process has a pack of its own."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    if "genga_tests" not in sys.modules:
        spec = importlib.util.spec_from_file_location("genga_bootstrap", HERE / "pack.py")
        bootstrap = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(bootstrap)
        bootstrap.alias_tests()
    from genga_tests.tools import host as host_tools

    host_tools.aim(Path(host), Path(base))
    import torch

    torch.set_num_threads(1)  # a process that forks must not have started torch's own threads
    import execution  # noqa: F401

    import nodes

    extras = [Path(host) / "comfy_extras" / f"{name}.py" for name in EXTRAS]
    for path in [*extras, Path(base) / "custom_nodes" / "genga_tiny_host"]:
        parent = "comfy_extras" if path.suffix else "custom_nodes"
        assert asyncio.run(nodes.load_custom_node(str(path), module_parent=parent)), path


def play(host: str, base: str, order: dict, answers) -> None:
    """Runs one prompt in this process, with the host's own executor."""
    if "nodes" not in sys.modules:
        boot(host, base)
    import execution

    import nodes

    pack = Path(base) / "custom_nodes" / "ComfyUI-Genga"
    assert asyncio.run(nodes.load_custom_node(str(pack)))
    calls = dict.fromkeys(KINDS, 0)
    nobody = SimpleNamespace(client_id=None, last_node_id=None, send_sync=lambda *_: None)
    ends = [name for name, node in order["prompt"].items() if is_end(nodes.NODE_CLASS_MAPPINGS[node["class_type"]])]
    executor = execution.PromptExecutor(nobody, cache_args={"ram": 0.0, "ram_inactive": 0.0, "lru": 0})
    if order["moment"] is not None:
        sys.setprofile(watch(pack.resolve(), calls, order["moment"]))
    try:
        executor.execute(order["prompt"], "doomed", {}, ends)
    finally:
        sys.setprofile(None)
    errors = [str(data) for name, data in executor.status_messages if name == "execution_error"]
    answers.send({"outputs": executor.history_result["outputs"], "errors": errors, "calls": calls})


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


def main() -> None:
    host, base = sys.argv[1:]
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")  # what the host prints must not get between
    os.dup2(2, 1)
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    if hasattr(os, "fork"):
        boot(host, base)
    for line in sys.stdin:
        near, far = context.Pipe(duplex=False)
        process = context.Process(target=play, args=(host, base, json.loads(line), far))
        process.start()
        far.close()
        try:
            answer = near.recv()
        except EOFError:
            answer = {}
        process.join()
        lines.write(json.dumps({"exit": process.exitcode, **answer}, default=str) + "\n")
        lines.flush()


if __name__ == "__main__":
    main()
