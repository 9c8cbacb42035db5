"""The bad-input table: what a person may give a node, the input the error names, and the remedy it offers.

Each row's ``call`` takes the bench (bench.py) and makes one call of one node. A row holds when that call is an
InputError for ``input_name`` with ``remedy`` in its advice, and nothing expensive was done. One file a family.
"""

from __future__ import annotations

from .color import COLOR
from .keyframes import KEYFRAMES
from .loading import FILES
from .pictures import PICTURES, SIZES
from .sampling import PROMPTS, SAMPLING
from .saving import SAVING
from .solvers import SCHEDULES, SOLVERS
from .timelines import TIMELINES

FAMILIES = {
    "size": SIZES, "picture": PICTURES, "keyframe": KEYFRAMES, "timeline": TIMELINES, "prompt": PROMPTS,
    "sampling": SAMPLING, "solver": SOLVERS, "schedule": SCHEDULES, "color": COLOR, "file": FILES, "saving": SAVING,
}  # fmt: skip
