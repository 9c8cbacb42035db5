"""Trains the tiny models that know the small world of world.py; writes tests/tiny/weights/ and its card.

    python tests/tiny/train.py --comfyui PATH [--work FOLDER] [--stage vae ...]

A stage that is done is not done again; one that was stopped goes on. Needs a ComfyUI for its classes (the same that
the tests run), and nothing that is not in its environment. Hours on two cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comfyui", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=HERE.parents[1] / ".dev" / "world")
    parser.add_argument("--stage", nargs="*", default=None)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    sys.path[0] = str(HERE.parent)
    prepare(options.comfyui)
    import torch

    from tiny.training import stages
    from tiny.training.run import Run

    torch.set_num_threads(options.threads)
    stages.run(Run(options.work), options.stage)
    return 0


def prepare(comfyui: Path) -> None:
    """Makes the host and the pack importable, the tiny text encoder loadable."""
    from tools import host, pack

    pack.alias_tests()
    host.aim(
        comfyui.resolve(), Path(tempfile.mkdtemp(prefix="genga-train-")), ("--cpu", "--use-pytorch-cross-attention")
    )
    pack.load_package("genga", pack.ROOT)
    pack.load_package("genga_tiny_host", HERE / "host_pack")


if __name__ == "__main__":
    sys.exit(main())
