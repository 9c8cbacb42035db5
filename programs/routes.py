"""The routes: ``/genga/...`` (and ``/api/genga/...``) beside the host's own, under the host's rules for other origins."""

from __future__ import annotations

import functools
import json
import logging
import sys
from urllib.parse import quote

from .problems import MEDIA_TYPE, Problem, parse


def register() -> None:
    """Adds the routes to the running server; without one (tests, scripts) there is nothing to do."""
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is None:
        return
    for method, path, handler in _ROUTES:
        server.routes.route(method, path)(functools.partial(_answer, handler, server))


async def _answer(handler, server, request):
    """The handler's result as JSON, its Problem as problem+json."""
    from aiohttp import web

    try:
        status, body, headers = await handler(server, request)
    except web.HTTPRequestEntityTooLarge as error:
        return _problem(Problem(413, f"{error.text or 'too large'}. Send smaller pictures, or URLs."))
    except Problem as problem:
        return _problem(problem)
    except OSError as error:
        return _problem(Problem(503, f"A file cannot be written or read: {error}. Make room, or allow it."))
    return web.json_response(body, status=status, headers=headers)


def _problem(problem: Problem):
    from aiohttp import web

    text = json.dumps(problem.body())
    return web.Response(status=problem.status, text=text, content_type=MEDIA_TYPE)


async def _schema(server, request):
    from .schema import read

    return 200, read(), None


async def _generate(server, request):
    from . import orders

    order = await orders.take(parse(await request.read()))
    queued = [await orders.queue(request, order, seed) for seed in order.seeds()]
    logging.info("[Genga] %s: %d jobs queued by a payload", order.built.workflow, len(queued))
    first = queued[0]
    told = {**first, "workflow": order.built.workflow, "notes": order.built.notes, "jobs": queued}
    return 202, told, {"Location": first["url"]}


async def _job(server, request):
    from . import jobs

    return 200, jobs.Queue(server).look(request.match_info["id"]), None


async def _presets(server, request):
    from . import presets

    return 200, presets.names(), None


async def _preset(server, request):
    from . import presets

    kind, name = request.match_info["kind"], request.match_info["name"]
    if request.method == "PUT":
        replaced = presets.save(kind, name, parse(await request.read()))
        return 200 if replaced else 201, presets.read(kind, name), None
    if request.method == "DELETE":
        presets.remove(kind, name)
        return 200, {"kind": kind, "name": name}, None
    return 200, presets.read(kind, name), None


async def _export(server, request):
    from . import presets

    return 200, presets.export(), {"Content-Disposition": 'attachment; filename="genga-presets.json"'}


async def _import(server, request):
    from . import presets

    return 200, presets.take_in(parse(await request.read())), None


async def _begin_batch(server, request):
    from . import batches

    told = await batches.begin(request, server, parse(await request.read()))
    return 202, told, {"Location": f"/genga/batches/{quote(told['name'])}"}


async def _batch(server, request):
    from . import batches

    return 200, batches.look(server, request.match_info["name"]), None


# A name may hold braces, which a plain {name} does not match.
_ROUTES = (
    ("GET", "/genga/schema", _schema),
    ("POST", "/genga/generate", _generate),
    ("GET", "/genga/jobs/{id}", _job),
    ("POST", "/genga/batch", _begin_batch),
    ("GET", "/genga/batches/{name:[^/]+}", _batch),
    ("GET", "/genga/presets", _presets),
    ("GET", "/genga/presets/export", _export),
    ("POST", "/genga/presets/import", _import),
    ("GET", "/genga/presets/{kind}/{name:[^/]+}", _preset),
    ("PUT", "/genga/presets/{kind}/{name:[^/]+}", _preset),
    ("DELETE", "/genga/presets/{kind}/{name:[^/]+}", _preset),
)
