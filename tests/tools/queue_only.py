"""The host's own server in this process, with our routes and without anybody who works on its queue."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from pathlib import Path

EXTRAS = ("nodes_model_advanced.py", "nodes_flux.py", "nodes_custom_sampler.py", "nodes_sd3.py")


class QueueOnly:
    """``ask(method, path, body)`` -> (status, content type, bytes); ``server`` is the host's PromptServer."""

    def __init__(self, server, client, loop):
        self.server, self.client, self.loop = server, client, loop

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
        async def call():
            async with self.client.request(method, path, data=body) as answer:
                return answer.status, answer.content_type, await answer.read()

        return self.loop.run_until_complete(call())

    def clear(self) -> None:
        self.server.prompt_queue.wipe_queue()


@contextmanager
def running(host):
    """The server from its constructor to its routes as main.py sets it up; queued jobs stay in the queue."""
    import server
    from aiohttp.test_utils import TestClient, TestServer
    from genga.programs import routes

    loop = asyncio.new_event_loop()
    before = getattr(server.PromptServer, "instance", None)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    try:
        made = server.PromptServer(loop)
        loop.run_until_complete(_nodes(host))
        routes.register()
        made.add_routes()
        client = TestClient(TestServer(made.app, loop=loop), loop=loop)
        loop.run_until_complete(client.start_server())
        yield QueueOnly(made, client, loop)
        loop.run_until_complete(client.close())
    finally:
        loop.close()
        if before is None:
            del server.PromptServer.instance
        else:
            server.PromptServer.instance = before


async def _nodes(host) -> None:
    from genga.nodes import node_list

    import nodes

    for node in node_list():
        nodes.NODE_CLASS_MAPPINGS[node.GET_SCHEMA().node_id] = node
    for name in EXTRAS:
        await nodes.load_custom_node(str(Path(host.path) / "comfy_extras" / name), module_parent="comfy_extras")
