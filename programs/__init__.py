"""Other programs as users: a JSON payload in, a queued workflow out. A room beside ``nodes``, since it too is a way in.

It fills the shipped workflows with a payload's values, so every number of a model stands in one place.
"""

from __future__ import annotations
