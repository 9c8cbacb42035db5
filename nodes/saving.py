"""What the nodes that write files have in common: the check of the name, where a file comes from, the store's limits."""

from __future__ import annotations

from .. import places
from ..errors import InputError
from ..media import naming
from ..media.metadata import Origin
from ..samplers.windows.store import Store

GB = 1e9


def name_problem(filename_prefix: str | None) -> bool | str:
    """For ``validate_inputs``, before anything runs: a name that cannot be written should not be found after an hour.

    None is a wired name, which is not known yet.
    """
    try:
        if filename_prefix is not None:
            naming.check_prefix(filename_prefix)
    except InputError as error:
        return str(error)
    return True


def origin(node_class) -> Origin:
    """What the host told the node about its run; nothing when it is called from code."""
    hidden = getattr(node_class, "hidden", None)
    return Origin(*(getattr(hidden, name, None) for name in ("prompt", "extra_pnginfo", "unique_id")))


def check_limits(store_gb: float, store_days: float) -> None:
    """Raises InputError for limits of the store that are none."""
    for name, value in (("store_gb", store_gb), ("store_days", store_days)):
        if not 0.0 <= value < float("inf"):
            raise InputError(name, f"{value} is no limit", "Give 0 or more.")


def store(store_gb: float, store_days: float) -> Store:
    """The finished windows and sections in the user's folder."""
    return Store(places.private("windows"), int(store_gb * GB), store_days)
