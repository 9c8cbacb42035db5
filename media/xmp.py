"""Texts of any length inside a JPG: extended XMP (Adobe, XMP specification part 3, section 1.1.3.1). Standard library.

A JPG's segment ends at 64 kB, and workflows do not. So a short packet names a longer one by its MD5 digest, and that
one lies in as many segments as it needs.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from xml.etree import ElementTree
from xml.sax.saxutils import escape

NAMESPACE = "https://github.com/genga-video/ComfyUI-Genga/ns/1.0/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MAIN = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_CHUNK = 65_000  # bytes of text in one segment, beside 75 of headers
_PIECE_HEAD = 40
_APP1 = b"\xff\xe1"


def segments(texts: dict[str, str]) -> bytes:
    """The segments, ready to be put into a JPG, that hold ``texts`` by name."""
    body = "".join(f"<genga:{name}>{escape(text)}</genga:{name}>" for name, text in texts.items())
    packet = _rdf(f'xmlns:genga="{NAMESPACE}"', body).encode()
    digest = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper()
    note = 'xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    main = _rdf(note, f"<xmpNote:HasExtendedXMP>{digest}</xmpNote:HasExtendedXMP>").encode()
    found = [_segment(_MAIN + main)]
    for start in range(0, len(packet), _CHUNK):
        head = digest.encode() + struct.pack(">II", len(packet), start)
        found.append(_segment(_EXTENSION + head + packet[start : start + _CHUNK]))
    return b"".join(found)


def texts_of(payloads: Iterable[bytes]) -> dict[str, str]:
    """The texts in a JPG's APP1 segments, as ``segments`` wrote them; empty where there are none that are whole."""
    packet = _joined([each[len(_EXTENSION) :] for each in payloads if each.startswith(_EXTENSION)])
    try:
        root = ElementTree.fromstring(packet) if packet else None
    except ElementTree.ParseError:
        return {}
    items = () if root is None else root.iter()
    return {
        item.tag[len(NAMESPACE) + 2 :]: item.text or "" for item in items if item.tag.startswith(f"{{{NAMESPACE}}}")
    }


def _joined(pieces: list[bytes]) -> bytes:
    """The longer packet from its pieces: 32 characters of digest, whole length, place, text."""
    packet = bytearray()
    for piece in pieces:
        if len(piece) < _PIECE_HEAD:
            continue
        length, place = struct.unpack(">II", piece[32:_PIECE_HEAD])
        if not packet and length <= sum(map(len, pieces)):  # else it lies, or pieces are missing
            packet = bytearray(length)
        text = piece[_PIECE_HEAD:]
        if place + len(text) <= len(packet):
            packet[place : place + len(text)] = text
    return bytes(packet)


def _rdf(names: str, body: str) -> str:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
        f'<rdf:Description rdf:about="" {names}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    )


def _segment(payload: bytes) -> bytes:
    return _APP1 + struct.pack(">H", len(payload) + 2) + payload
