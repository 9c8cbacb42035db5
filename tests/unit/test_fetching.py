"""Pictures from URLs: a real server on this machine, which only an allowed network makes reachable."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

import pytest

pytest.importorskip("aiohttp")

from genga.errors import InputError  # noqa: E402
from genga.programs import fetching  # noqa: E402
from genga.programs.settings import Settings  # noqa: E402

HERE = (ipaddress.ip_network("127.0.0.1/32"),)
BODY = b"picture" * 100


class Site(BaseHTTPRequestHandler):
    seen: list[str] = []

    def do_GET(self):
        self.seen.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", unquote(self.path.removeprefix("/to/")))
            self.end_headers()
        elif self.path == "/slow":
            time.sleep(3)
        elif self.path == "/missing":
            self.send_error(404)
        else:
            self.send_response(200)
            self.end_headers()
            pieces = 1000 if self.path == "/endless" else 1
            with_body = BODY * pieces
            try:
                self.wfile.write(with_body)
            except OSError:
                return  # the reader had enough

    def log_message(self, *_):
        return


@pytest.fixture(scope="module")
def port():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _forget():
    Site.seen.clear()


def fetch(url: str, **changed) -> bytes:
    settings = Settings(**{"allow_addresses": HERE, "picture_mb": 0.01, "url_seconds": 1.0, **changed})
    return asyncio.run(fetching.fetch(url, settings))


def refusal(url: str, **changed) -> str:
    with pytest.raises(InputError) as caught:
        fetch(url, **changed)
    return str(caught.value)


def test_an_allowed_address_is_read(port):
    assert fetch(f"http://127.0.0.1:{port}/a.png") == BODY
    assert fetch(f"http://127.0.0.1:{port}/to//b.png") == BODY


def test_without_leave_nothing_is_asked(port):
    for host in ("127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"):
        said = refusal(f"http://{host}:{port}/a.png", allow_addresses=())
        assert "private address" in said or "not a canonical IPv4 address" in said  # aiohttp knows the last dress
    assert Site.seen == []


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/", "http://[::1]/", "http://10.0.0.1/", "http://127.0.0.2/"]
)
def test_a_redirect_is_judged_anew(port, target):
    assert "private address" in refusal(f"http://127.0.0.1:{port}/to/{quote(target)}")
    assert len(Site.seen) == 1


def test_a_redirect_to_another_scheme_or_without_end(port):
    assert "not allowed" in refusal(f"http://127.0.0.1:{port}/to/file:///etc/passwd")
    loop = f"http://127.0.0.1:{port}" + "/to/" * 6 + "/a.png"
    assert "redirected more than 3 times" in refusal(loop)


def test_limits_of_size_time_and_presence(port):
    assert "larger than 0.01 MB" in refusal(f"http://127.0.0.1:{port}/endless")
    started = time.monotonic()
    assert "did not arrive in 1 s" in refusal(f"http://127.0.0.1:{port}/slow")
    assert time.monotonic() - started < 2.5
    assert "404" in refusal(f"http://127.0.0.1:{port}/missing")
    assert "ClientConnector" in refusal("http://127.0.0.1:1/")


def test_a_name_is_resolved_once_and_that_address_is_called(port, monkeypatch):
    """A name that means another address the second time (DNS rebinding) is never asked a second time."""
    answers = ["127.0.0.1", "10.0.0.1"]

    async def resolve(self, host, port=0, family=0):
        address = answers.pop(0)
        return [{"hostname": host, "host": address, "port": port, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(fetching.ThreadedResolver, "resolve", resolve)
    assert fetch(f"http://pictures.example:{port}/a.png") == BODY
    assert answers == ["10.0.0.1"]
    assert "private address 10.0.0.1" in refusal(f"http://pictures.example:{port}/a.png")


def test_a_name_with_one_private_address_among_others_is_barred(port, monkeypatch):
    async def resolve(self, host, port=0, family=0):
        found = ("127.0.0.1", "192.168.0.1")
        return [{"hostname": host, "host": a, "port": port, "family": 2, "proto": 0, "flags": 0} for a in found]

    monkeypatch.setattr(fetching.ThreadedResolver, "resolve", resolve)
    assert "private address 192.168.0.1" in refusal(f"http://pictures.example:{port}/a.png")
    assert Site.seen == []
