"""Work over several ComfyUI hosts by Dask: a worker for each host, and a lost host's work goes to the others.

Dask and not Ray: it is pure Python and small, runs on every system that ComfyUI runs on, and its scheduler and workers
live as threads of this one process, so no port is opened and nothing has to be installed beside the hosts. Ray starts
daemons and is an experiment on Windows. What Dask does here: it keeps the queue, gives each worker the next picture,
and hands the work of a worker that leaves to those that stay. ``pip install distributed``; it is never installed by
itself, and one host alone needs none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from . import client

IN_FLIGHT = 2  # per host: one is made, one waits in its queue
_PATIENCE = 5  # answers a host may owe in a row before it is lost
_PAUSE = 1.0  # seconds between them
Work = Callable[[client.Host, dict], dict]


class NoEngine(Exception):
    """Dask is not installed."""


def run(urls: Sequence[str], tasks: Sequence[dict], work: Work) -> Iterator[dict]:
    """``work(host, task)`` for every task on some host, results as they come. With no host left the rest stays undone."""
    if len(urls) == 1:
        yield from _alone(client.Host(urls[0]), tasks, work)
    else:
        yield from _together(urls, tasks, work)


def _alone(host: client.Host, tasks: Sequence[dict], work: Work) -> Iterator[dict]:
    for task in tasks:
        try:
            yield work(host, task)
        except client.Lost:
            return


def patient(work: Work, host: client.Host, task: dict) -> dict:
    """``work``, again where the host forgot the job or did not answer for a moment; Lost when it stays silent.

    A job that is forgotten again and again takes its host down, most likely: it is refused, not tried for ever.
    """
    silent = forgotten = 0
    while True:
        try:
            return work(host, task)
        except client.Forgotten as error:
            silent, forgotten = 0, forgotten + 1
            if forgotten >= _PATIENCE:
                raise client.Refused({"detail": f"{host.url} lost the job {forgotten} times", "status": 503}) from error
        except client.Lost:
            silent += 1
            if silent >= _PATIENCE:
                raise
        time.sleep(_PAUSE)


def _together(urls: Sequence[str], tasks: Sequence[dict], work: Work) -> Iterator[dict]:
    try:
        import dask
        from distributed import Client, Scheduler, SpecCluster, Worker, as_completed
    except ImportError as error:
        raise NoEngine("Several hosts need Dask: pip install distributed") from error
    scheduler = {"cls": Scheduler, "options": {"protocol": "inproc://", "dashboard": False}}
    options = {"nthreads": IN_FLIGHT, "memory_limit": 0, "dashboard": False, "preload": ()}
    workers = {url: {"cls": Worker, "options": {"name": url, **options}} for url in urls}
    # A task may see as many workers leave as there are.
    settings = {"distributed.scheduler.allowed-failures": len(urls), "distributed.scheduler.work-stealing": True}
    with (
        dask.config.set(settings),
        SpecCluster(workers=workers, scheduler=scheduler, silence_logs=50) as cluster,
        Client(cluster) as engine,
    ):
        waiting = {engine.submit(_on_a_host, work, task, pure=False, retries=0) for task in tasks}
        while waiting and engine.nthreads():  # not scheduler_info, whose workers come and go with its own refreshing
            done = {future for future in waiting if future.done()}
            waiting -= done
            yield from (future.result() for future in done)
            if not done:
                _wait_for_one(as_completed, waiting)


def _wait_for_one(as_completed, waiting) -> None:
    """Until one is done, or a second is over: a host may be lost meanwhile."""
    from distributed import TimeoutError as Late

    try:
        next(iter(as_completed(waiting, timeout=1.0)))
    except Late:
        return


def _on_a_host(work: Work, task: dict) -> dict:
    """Runs in a worker's thread. A worker whose host is lost leaves, and its tasks are scheduled anew elsewhere."""
    from distributed import Reschedule, get_worker

    worker = get_worker()
    try:
        return work(client.Host(worker.name), task)
    except client.Lost as lost:
        worker.loop.add_callback(worker.close, reason=str(lost))
        raise Reschedule() from lost
