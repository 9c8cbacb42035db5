"""How a node tells a person something that is not an error: on the node, in the log, and in the history."""

from __future__ import annotations

import logging
import sys

from ..media import record


class Report:
    """Collects what one run of a node has to say.

    Facts need the schema to list ``io.Hidden.prompt`` and ``io.Hidden.unique_id``; words do not.
    """

    def __init__(self, node_class):
        hidden = getattr(node_class, "hidden", None)
        self.node_id = getattr(hidden, "unique_id", None)
        self.prompt = getattr(hidden, "prompt", None)
        self.name = node_class.__name__.removesuffix("Clone")  # the host runs a clone of the class
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Shows ``text`` on the node now, logs it, and keeps it for the history."""
        self.lines.append(text)
        logging.info("[Genga] %s: %s", self.name, text)
        self._show(self.lines)

    def hint(self, text: str) -> None:
        """Shows ``text`` on the node under what was said, until the next word: how far a long run is."""
        self._show([*self.lines, text])

    def _show(self, lines: list[str]) -> None:
        instance = _server()
        if instance is not None and self.node_id is not None:
            instance.send_progress_text("\n".join(lines), self.node_id)

    def fact(self, /, **facts) -> None:
        """Files ``facts`` for the metadata of a video saved downstream."""
        record.note(self.prompt, self.node_id, **facts)

    def watched(self) -> bool:
        """Whether a page follows this run: one that was queued by a program has none."""
        instance = _server()
        return self.node_id is not None and getattr(instance, "client_id", None) is not None

    def event(self, name: str, **facts) -> None:
        """Sends the page that follows this run an event of ours, ``node`` among its facts."""
        if self.watched():
            instance = _server()
            instance.send_sync(name, {"node": str(self.node_id), **facts}, instance.client_id)

    def ui(self, **more) -> dict | None:
        """The ``ui`` part of a NodeOutput: what was said, and ``more`` for the page; None when there is neither."""
        return {**({"text": tuple(self.lines)} if self.lines else {}), **more} or None


def _server():
    """The host's server; None where there is none, as in tests and scripts."""
    return getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
