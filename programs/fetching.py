"""Pictures from the web, without a way into the house: only http(s), in limits of size and time, to public addresses.

A name is resolved once, every address it has is judged, and the connection goes to the addresses that were judged;
so a name that changes its mind between the check and the call (DNS rebinding) gains nothing. Redirects are followed
by hand, each judged anew. No proxy of the environment is used: it would do the resolving.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from ..errors import InputError
from .settings import Network, Settings

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3
_PIECE = 1 << 16
# Prefixes that carry an IPv4 address inside: NAT64 (RFC 6052), 6to4 (RFC 3056).
_NAT64, _SIX_TO_FOUR = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16")
_NAME = "the picture's URL"


class Barred(OSError):
    """An address that is not for fetching. An OSError, since that is what aiohttp expects of a resolver."""


def is_public(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether ``address`` (an IP address as text) may be fetched from."""
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    inner = _inside(ip)
    if any(ip.version == net.version and ip in net for net in allowed):
        return True
    return is_public(str(inner), allowed) if inner else ip.is_global and not ip.is_multicast


def _inside(ip) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if ip.version == 4:
        return None
    if ip.ipv4_mapped:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.sixtofour if ip in _SIX_TO_FOUR else None


class PublicResolver(AbstractResolver):
    """Resolves as the system does; a name with any address that is barred is barred."""

    def __init__(self, allowed: Sequence[Network]):
        self.allowed, self.inner = allowed, ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC):
        found = await self.inner.resolve(host, port, family)
        barred = [entry["host"] for entry in found if not is_public(entry["host"], self.allowed)]
        if barred:
            raise Barred(f"{host} has the private address {barred[0]}")
        return found

    async def close(self) -> None:
        await self.inner.close()


async def fetch(text: str, settings: Settings) -> bytes:
    """The body at a URL; InputError for one that is barred, too large, too slow or not there."""
    resolver = PublicResolver(settings.allow_addresses)
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=settings.url_seconds)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
            return await asyncio.wait_for(_follow(session, text, settings), settings.url_seconds)
    except (asyncio.TimeoutError, TimeoutError) as error:
        problem = f"it did not arrive in {settings.url_seconds:g} s"
        raise InputError(_NAME, problem, "Send the picture as base64.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        barred = _barred(error)
        problem = f"{barred or type(error).__name__ + ': ' + str(error)[:200]}"
        remedy = "Send it as base64, or allow the network in settings.json." if barred else "Send it as base64."
        raise InputError(_NAME, problem, remedy) from error


def _barred(error: BaseException | None) -> Barred | None:
    """The reason below aiohttp's wrapping."""
    while error is not None and not isinstance(error, Barred):
        error = error.__cause__ or getattr(error, "os_error", None)
    return error


async def _follow(session: aiohttp.ClientSession, text: str, settings: Settings) -> bytes:
    url = URL(text)
    for _ in range(_MOST_REDIRECTS + 1):
        _judge(url, settings)
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status in _REDIRECTS and answer.headers.get("Location"):
                url = url.join(URL(answer.headers["Location"]))
                continue
            if answer.status != 200:
                raise InputError(_NAME, f"the answer is {answer.status}", "Check the URL, or send base64.")
            return await _body(answer, settings.picture_bytes)
    raise InputError(_NAME, f"it is redirected more than {_MOST_REDIRECTS} times", "Give the final URL.")


def _judge(url: URL, settings: Settings) -> None:
    """The scheme, and addresses written as such: those never reach the resolver."""
    if url.scheme not in ("http", "https") or not url.host:
        raise InputError(_NAME, f"{url.scheme!r} is not allowed", "Use http or https.")
    try:
        ipaddress.ip_address(url.host.split("%", 1)[0])
    except ValueError:
        return
    if not is_public(url.host, settings.allow_addresses):
        raise Barred(f"{url.host} is a private address")


async def _body(answer: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_chunked(_PIECE):
        body += piece
        if len(body) > most:
            raise InputError(_NAME, f"it is larger than {most / 1e6:g} MB", "Send a smaller picture.")
    return bytes(body)
