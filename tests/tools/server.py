"""A real host as its own process, and the few HTTP calls tests make to it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from . import pack

FOLDERS = ("custom_nodes", "models", "input", "output", "temp", "user")
START_SECONDS = 240
POLL_SECONDS = 0.1
LOG_TAIL = 60


class Refused(Exception):
    """The host did not take the prompt: ``answer`` is the JSON it gave."""

    def __init__(self, answer: dict):
        self.answer = answer
        super().__init__(refusal_text(answer))


class Failed(Exception):
    """The prompt was taken and a node failed: ``history`` is its entry, the text is the node's error."""

    def __init__(self, history: dict):
        self.history = history
        super().__init__(failure_text(history))


def refusal_text(answer: dict) -> str:
    """Everything a person would read in the host's refusal."""
    error = answer.get("error") or {}
    lines = [str(error)] if isinstance(error, str) else [f"{error.get('message')}: {error.get('details')}"]
    for node_id, node in (answer.get("node_errors") or {}).items():
        for item in node.get("errors", []):
            lines.append(f"{node.get('class_type')} {node_id}: {item.get('message')}: {item.get('details')}")
    return "\n".join(lines)


def failure_text(history: dict) -> str:
    """The error of the node that failed, or the status where no node is named."""
    for name, data in history.get("status", {}).get("messages", []):
        if name == "execution_error":
            return (
                f"{data.get('node_type')} {data.get('node_id')}: "
                f"{data.get('exception_type')}: {data.get('exception_message')}"
            )
    return json.dumps(history.get("status"))


def make_base(base: Path) -> Path:
    """The folders a host expects in its base directory."""
    for name in FOLDERS:
        (base / name).mkdir(parents=True, exist_ok=True)
    return base


class Server:
    """``Server(host, base).start()``; ``stop()`` at the end, or use it in a ``with``."""

    def __init__(self, host: Path, base: Path, arguments: tuple[str, ...] = ()):
        self.host, self.base = Path(host), make_base(Path(base))
        self.models, self.input, self.output = base / "models", base / "input", base / "output"
        self.log = self.base / "server.log"
        self.arguments = arguments
        self.process = None
        self.url = ""

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()

    def install(self, pack_folder: Path, tiny_host_pack: Path | None = None) -> Server:
        """Puts the pack, and the tests' own adaptation of the host, in custom_nodes."""
        custom_nodes = self.base / "custom_nodes"
        pack.install(Path(pack_folder), custom_nodes / "ComfyUI-Genga")
        if tiny_host_pack and tiny_host_pack.exists():
            ignore = shutil.ignore_patterns("__pycache__")
            pack.remove(custom_nodes / "genga_tiny_host")
            shutil.copytree(tiny_host_pack, custom_nodes / "genga_tiny_host", ignore=ignore)
        return self

    def start(self) -> Server:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [
            sys.executable,
            str(self.host / "main.py"),
            "--cpu",
            "--port",
            str(port),
            "--base-directory",
            str(self.base),
            "--database-url",
            "sqlite:///:memory:",
            "--disable-api-nodes",
            "--disable-auto-launch",
            "--use-pytorch-cross-attention",
            *self.arguments,
        ]
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "DO_NOT_TRACK": "1"}
        if "PYTHONPYCACHEPREFIX" not in environ:
            environ["PYTHONDONTWRITEBYTECODE"] = "1"
        with open(self.log, "wb") as log:
            # cwd: newer hosts write a log file there, and it must not land in a checkout
            self.process = subprocess.Popen(
                command,
                cwd=self.base,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()
        return self

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the host ended with {self.process.returncode}:\n{self.log_tail()}")
            try:
                self.get("/system_stats")
                return
            except OSError:
                time.sleep(POLL_SECONDS)
        self.stop()
        raise RuntimeError(f"the host did not answer in {START_SECONDS} s:\n{self.log_tail()}")

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """Ends it at once, without a chance to tidy up: SIGKILL, or what Windows has for it."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        return "\n".join(self.log_text().splitlines()[-LOG_TAIL:])

    def read(self, path: str) -> bytes:
        """The body of ``GET path``."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read()

    def get(self, path: str):
        """The JSON of ``GET path``."""
        return json.loads(self.read(path))

    def post(self, path: str, body: dict):
        """The JSON of ``POST path``, also where the host answers with an error."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return json.loads(error.read() or b"null")

    def queue(self, prompt: dict, extra_data: dict | None = None, timeout: float = 300) -> dict:
        """Runs an API prompt to its end and returns its history entry. Raises Refused or Failed."""
        history = self.finished(self.begin(prompt, extra_data), timeout)
        if history["status"]["status_str"] != "success":
            raise Failed(history)
        return history

    def begin(self, prompt: dict, extra_data: dict | None = None) -> str:
        """Queues an API prompt and returns its id, without waiting. Raises Refused."""
        answer = self.post("/prompt", {"prompt": prompt, "extra_data": extra_data or {}})
        if "prompt_id" not in answer or answer.get("node_errors"):
            raise Refused(answer)
        return answer["prompt_id"]

    def refused(self, prompt: dict) -> dict:
        """The JSON with which the host refuses ``prompt``; a prompt that it takes is an AssertionError."""
        try:
            self.queue(prompt)
        except Refused as refusal:
            return refusal.answer
        raise AssertionError("the host took the prompt")

    def failure(self, prompt: dict, timeout: float = 300) -> str:
        """The error text for ``prompt``, whether it was refused or failed in a node."""
        try:
            self.queue(prompt, timeout=timeout)
        except (Refused, Failed) as error:
            return str(error)
        raise AssertionError("the prompt ran without an error")

    def finished(self, prompt_id: str, timeout: float = 300) -> dict:
        """The history entry of a queued prompt, once it has ended, however it has."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            history = self.get(f"/history/{prompt_id}").get(prompt_id)
            if history is not None:
                return history
            if self.process.poll() is not None:
                raise RuntimeError(f"the host ended with {self.process.returncode}:\n{self.log_tail()}")
            time.sleep(POLL_SECONDS)
        self.post("/interrupt", {})
        raise TimeoutError(f"the prompt was not done after {timeout} s:\n{self.log_tail()}")

    def files(self, history: dict) -> list[Path]:
        """Every file that the outputs of a history entry name, as paths on this machine."""
        roots = {"output": self.output, "input": self.input, "temp": self.base / "temp"}
        return [
            roots[item["type"]] / item.get("subfolder", "") / item["filename"]
            for node in history["outputs"].values()
            for items in node.values()
            if isinstance(items, list)
            for item in items
            if isinstance(item, dict) and "filename" in item
        ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
