"""AniSora's score sentence: the words it was trained to find at the end of every description."""

from __future__ import annotations

import re

from ..errors import InputError

AESTHETIC = 5.5  # every sample of the authors has it
NO_TEXT = "There is no text in the video."
MAX_CHARACTERS = 2000

_NUMBER = r"-?\d+(?:[.,]\d+)?"
# A score is a sentence of its own: "shows motion score: 3 to 2" describes a scene and stays.
_END = r"(?:[.,;\u3002\uff0c\uff1b]|$|(?=\s(?:aesthetic|motion)\s+scores?\s*:)|(?=\sThere is no text in))"
_SCORES = re.compile(
    rf"\s*\b(?:aesthetic|motion)\s+scores?\s*:\s*{_NUMBER}(?![.,]?\d)\s*?{_END}\s*", re.IGNORECASE | re.MULTILINE
)
_NO_TEXT = re.compile(r"\s*\bThere is no text in the video\b\s*\.?\s*", re.IGNORECASE)


def anisora_prompt(description: str, motion_score: float, aesthetic_score: float = AESTHETIC) -> str:
    """``<description> aesthetic score: 5.5. motion score: 3.0. There is no text in the video.``

    The template of AniSora V3.2's README. Sentences that are there already are replaced, never doubled, so the
    function applied to its own result changes nothing but the scores.
    """
    if not 0.0 <= motion_score <= 5.0:
        remedy = "Use 0 to 5: up to 1.5 subtle, 2 to 3.5 moderate, 4 to 5 energetic."
        raise InputError("motion_score", f"{motion_score} is outside 0 to 5", remedy)
    if not 0.0 <= aesthetic_score <= 10.0:
        raise InputError("aesthetic_score", f"{aesthetic_score} is outside 0 to 10", "The authors use 5.0 to 7.0.")
    if len(description) > 10 * MAX_CHARACTERS:
        problem = f"{len(description)} characters are more than a text encoder can hold"
        raise InputError("prompt", problem, f"Use up to {MAX_CHARACTERS}.")
    plain = _NO_TEXT.sub(" ", _SCORES.sub(" ", description)).strip()
    if not plain:
        raise InputError("prompt", "there is no description", "Describe the scene, the motion and the camera.")
    if plain[-1] not in ".!?。！？…":
        plain += "."
    return f"{plain} aesthetic score: {aesthetic_score:.1f}. motion score: {motion_score:.1f}. {NO_TEXT}"
