"""One kind of error for bad input: what was wrong, with which value, and what to do about it."""

from __future__ import annotations


class InputError(ValueError):
    """A value a person gave that cannot be used.

    ``InputError("width", "500 is not a multiple of 16", "Use 496 or 512.")`` reads
    ``width: 500 is not a multiple of 16. Use 496 or 512.``
    """

    def __init__(self, input_name: str, problem: str, remedy: str):
        self.input_name = input_name
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{input_name}: {problem.rstrip('.')}. {remedy}")
