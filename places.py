"""Where the pack keeps what is its own: a folder of ours inside the host's user folder."""

from __future__ import annotations

from pathlib import Path


def private(name: str) -> Path:
    """``<user folder>/genga/<name>``, made if it is missing. The host clears its temp folder at every start; this stays."""
    import folder_paths  # here, so that importing the pack costs nothing

    folder = Path(folder_paths.get_user_directory()) / "genga" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def temp() -> Path:
    """The host's folder for what may be gone tomorrow, made if it is missing; the page can read it."""
    import folder_paths

    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder
