"""A ComfyUI with this pack, as another program sees it: send a payload, follow the job, take the files. No host needed."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from pathlib import Path

_SECONDS = 30.0  # of one request
_POLL_SECONDS = 0.5
_SILENCES = 5
_ENDED = ("done", "failed", "cancelled")


class Refused(Exception):
    """The host's problem+json: it will not take this, from whomever."""

    def __init__(self, problem: dict):
        self.problem = problem
        super().__init__(problem.get("detail") or str(problem))


class Lost(Exception):
    """The host does not answer."""


class Forgotten(Exception):
    """The host answers, and knows nothing of this job (it was restarted, or its queue was cleared)."""


class Host:
    """``Host("http://127.0.0.1:8188").video(payload, Path("out"))``, or step by step: generate, wait, download."""

    def __init__(self, url: str, seconds: float = _SECONDS):
        self.url, self.seconds = url.rstrip("/"), seconds

    def generate(self, payload: dict) -> dict:
        """The answer of POST /genga/generate; Refused or Lost."""
        return json.loads(self._ask("POST", "/genga/generate", json.dumps(payload).encode()))

    def job(self, identity: str) -> dict:
        """State, progress and files; Forgotten where the host does not know the job."""
        try:
            return json.loads(self._ask("GET", f"/genga/jobs/{identity}"))
        except Refused as refusal:
            if refusal.problem.get("status") == 404:
                raise Forgotten(identity) from refusal
            raise

    def wait(self, identity: str) -> dict:
        """The job once it has ended, however it has; Lost when the host owes several answers in a row."""
        silent = 0
        while True:
            try:
                job, silent = self.job(identity), 0
                if job["state"] in _ENDED:
                    return job
            except Lost:
                silent += 1
                if silent >= _SILENCES:
                    raise
            time.sleep(_POLL_SECONDS)

    def download(self, file: dict, path: Path) -> Path:
        """One of a job's files as ``path``; it is there only once it is whole."""
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_bytes(self._ask("GET", file["url"]))
        unfinished.replace(path)
        return path

    def video(self, payload: dict, folder: Path, stem: str | None = None) -> list[Path]:
        """Payload in, the job's files in ``folder`` out, named ``stem`` if given; Refused where the job failed."""
        answer = self.generate(payload)
        return self.collect(self.wait(answer["prompt_id"]), folder, stem)

    def collect(self, job: dict, folder: Path, stem: str | None = None) -> list[Path]:
        if job["state"] != "done" or not job["files"]:
            details = [error["detail"] for error in job["errors"]] or [f"the job was {job['state']}"]
            raise Refused({"detail": " ".join(details), "status": 422})
        folder.mkdir(parents=True, exist_ok=True)
        names = [(stem + Path(file["filename"]).suffix) if stem else file["filename"] for file in job["files"]]
        return [self.download(file, folder / name) for file, name in zip(job["files"], names, strict=True)]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.seconds) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(_problem(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise Lost(f"{self.url} does not answer ({error})") from error


def _problem(error: urllib.error.HTTPError) -> dict:
    try:
        told = json.loads(error.read())
    except (OSError, ValueError):
        told = None
    return told if isinstance(told, dict) else {"status": error.code, "detail": f"HTTP {error.code}: {error.reason}"}
