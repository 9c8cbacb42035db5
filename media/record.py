"""What nodes found out while they ran (the drawn seed, the frames really used), kept for the saved file.

The host hands SaveVideo the prompt as it was queued: seed -1 and length 80, not the seed drawn and the 81
frames made. Nodes note such facts here; whoever saves asks for the facts of the nodes it depends on. Facts
are filed under a fingerprint of the node's whole upstream graph, because the host may serve a node from its
cache long after another workflow used the same node id.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict

_KEPT = 512
_facts: OrderedDict[str, dict] = OrderedDict()


def note(prompt: dict | None, node_id: str | None, /, **facts) -> None:
    """Files JSON-able ``facts`` for one node of ``prompt``; without a prompt (a call from code) it does nothing."""
    if not prompt or node_id is None or str(node_id) not in prompt:
        return
    key = _fingerprint(prompt, str(node_id))
    _facts[key] = {**_facts.pop(key, {}), **facts}
    while len(_facts) > _KEPT:
        _facts.popitem(last=False)


def facts_for(prompt: dict | None, node_id: str | None = None) -> dict[str, dict]:
    """Facts by node id: for ``node_id`` and all it depends on, or for the whole prompt."""
    if not prompt:
        return {}
    wanted = prompt if node_id is None else _upstream(prompt, str(node_id))
    found = {identity: _facts.get(_fingerprint(prompt, identity)) for identity in wanted}
    return {identity: dict(facts) for identity, facts in found.items() if facts}


def _links(node: dict, prompt: dict) -> list[str]:
    values = node.get("inputs", {}).values()
    return [str(v[0]) for v in values if isinstance(v, list) and len(v) == 2 and str(v[0]) in prompt]


def _upstream(prompt: dict, node_id: str) -> list[str]:
    """The node and its ancestors, sorted, so that a fingerprint does not depend on the order of wiring."""
    seen, waiting = set(), [node_id]
    while waiting:
        identity = waiting.pop()
        if identity not in seen and identity in prompt:
            seen.add(identity)
            waiting.extend(_links(prompt[identity], prompt))
    return sorted(seen)


def _fingerprint(prompt: dict, node_id: str) -> str:
    graph = [(i, prompt[i].get("class_type"), prompt[i].get("inputs")) for i in _upstream(prompt, node_id)]
    text = json.dumps([node_id, graph], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
