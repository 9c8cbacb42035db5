#!/usr/bin/env python3
"""Two commands for a fresh machine: ``python dev.py demo`` and ``python dev.py test`` (and ``bench``).

Needs Python 3.10 or newer and nothing else. Everything it makes lies in ``.dev/``; delete that folder to
start over. With ``--comfyui PATH`` each command runs on a ComfyUI of your own instead of 0.3.75.
"""

# Only this file is read by a Python that is too old, so it keeps to what any Python understands.
import sys

if not (3, 10) <= sys.version_info[:2] < (3, 15):  # what torch 2.11 has wheels for
    sys.exit(
        "dev.py needs Python 3.10 to 3.14 (torch has no builds for others); this is Python "
        + sys.version.split()[0]
        + ". Run it with another one, for example: python3.12 dev.py test"
    )

from devtools.commands import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
