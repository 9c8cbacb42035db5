"""Keeps the workflows of a release for tests/server/test_released.py: what is shipped must load for ever.

``python devtools/release_fixture.py --server http://127.0.0.1:8188``; the server is a ComfyUI with this pack.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT / "tests")

from tools.convert import to_prompt  # noqa: E402


def version() -> str:
    """The version in pyproject.toml (tomllib is younger than Python 3.10)."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("version"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="http://127.0.0.1:8188")
    with urllib.request.urlopen(parser.parse_args().server + "/object_info", timeout=60) as answer:
        info = json.load(answer)
    folder = ROOT / "tests" / "released" / version()
    folder.mkdir(parents=True, exist_ok=True)
    prompts = {}
    for path in sorted((ROOT / "workflows").glob("*.json")):
        shutil.copyfile(path, folder / path.name)
        prompt = to_prompt(json.loads(path.read_text(encoding="utf-8")), info)
        prompts[path.stem] = {i: {k: v for k, v in node.items() if k != "_meta"} for i, node in prompt.items()}
    (folder / "prompts.json").write_text(json.dumps(prompts, indent=1) + "\n", encoding="utf-8")
    print(f"kept {len(prompts)} workflows in {folder.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
