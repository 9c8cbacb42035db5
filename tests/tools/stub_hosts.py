"""Hosts that only speak our API: each job is done after a moment, and a host can be taken away in the middle."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS = 0.05  # of a job


class StubHost:
    """``url``, ``made`` (payloads taken), ``end()``; forget: jobs that it will know nothing of, once each."""

    def __init__(self, forget: int = 0, refuse: str = ""):
        self.jobs: dict[str, float] = {}
        self.made: list[dict] = []
        self.forget, self.refuse = forget, refuse
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.refuse and outer.refuse in json.dumps(payload):
                    return self.tell(422, {"status": 422, "detail": "refused", "errors": [{"pointer": "#/x"}]})
                outer.made.append(payload)
                identity = str(len(outer.made))
                outer.jobs[identity] = time.monotonic() + SECONDS
                return self.tell(202, {"prompt_id": identity, "seed": 7})

            def do_GET(self):
                if self.path.startswith("/view"):
                    return self.tell(200, {"from": outer.url})
                identity = self.path.rpartition("/")[2]
                if outer.forget > 0:
                    outer.forget -= 1
                    return self.tell(404, {"status": 404, "detail": "unknown"})
                done = time.monotonic() > outer.jobs[identity]
                files = [{"filename": f"{identity}.mp4", "url": "/view?" + identity}]
                return self.tell(
                    200, {"state": "done" if done else "running", "files": files if done else [], "errors": []}
                )

            def tell(self, status: int, body: dict) -> None:
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()
