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
        server = getattr(sys.modules.get("server"), "PromptServer", None)
        instance = getattr(server, "instance", None)
        if instance is not None and self.node_id is not None:
            instance.send_progress_text("\n".join(lines), self.node_id)

    def fact(self, /, **facts) -> None:
        """Files ``facts`` for the metadata of a video saved downstream."""
        record.note(self.prompt, self.node_id, **facts)

    def ui(self) -> dict | None:
        """The ``ui`` part of a NodeOutput, or None when there was nothing to say."""
        return {"text": tuple(self.lines)} if self.lines else None
