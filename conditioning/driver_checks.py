"""Cheap looks at what drives an animation, before anything is sampled: each finding comes with its remedy.

A few frames of each driver, thinned out, are enough to tell a drawing from a photograph and a mask from its inverse.
Nothing here is an error: a strange picture may be meant.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from .drivers import BACKGROUND, FACES, MASK, POSE, Batch, Driver

_SIDE = 96  # pixels on the longer side that are looked at
_LOOKS, _FILM_LOOKS = 64, 10  # frames looked at; of a film, where each is a jump, fewer
_BLACK, _BRIGHT = 0.1, 0.5
_DRAWN = 0.75  # black share from which a picture with little but bright lines is a drawing
_PHOTO = 0.5  # black share below which a picture is no pose drawing: lines on black leave 0.7 and more
_FLAT = 0.04  # range of values below which a picture shows nothing
_SQUARE = 1.34  # sides' ratio from which a face crop loses more than an ear


def inspect(made: Mapping[str, Driver], length: int) -> list[str]:
    """What to tell a person about the drivers of a video of ``length`` frames."""
    looks = {name: _looks(driver, length) for name, driver in made.items()}
    told = _pairing(made)
    if POSE in looks:
        told += pose_notes(looks[POSE])
    if FACES in looks:
        told += face_notes(looks[FACES])
    if MASK in looks:
        told += mask_notes([_mask(each, made[MASK].drawn) for each in looks[MASK]])
    if MASK in looks and BACKGROUND in looks:
        told += background_notes(made[BACKGROUND], made[MASK], length)
    return told


def _mask(picture: torch.Tensor, drawn: bool) -> torch.Tensor:
    grey = picture.mean(-1)
    return (grey > 0.5).float() if drawn else grey


def _looks(driver: Driver, length: int) -> list[torch.Tensor]:
    """Thinned frames of what is used of ``driver``, its first and last among them."""
    last = min(driver.count, length) - 1
    looks = _LOOKS if isinstance(driver.source, Batch) else _FILM_LOOKS
    places = range(last + 1) if last < looks else [last * k // (looks - 1) for k in range(looks)]
    return [thin(driver.glimpse(place)) for place in places]


def thin(picture: torch.Tensor) -> torch.Tensor:
    """[H, W, C] with some of its pixels left out and none mixed, so that thin lines keep their brightness."""
    step = max(1, max(picture.shape[:2]) // _SIDE)
    return picture[::step, ::step, :3].float().cpu()


def _grid(picture: torch.Tensor) -> torch.Tensor:
    """[H, W, C] as [64, 64, C], by picking pixels: two pictures of other sizes become comparable."""
    picked = torch.nn.functional.interpolate(picture.movedim(-1, 0)[None].float().cpu(), size=(64, 64))
    return picked[0].movedim(0, -1)[..., :3]


def black_share(picture: torch.Tensor) -> float:
    """How much of [H, W, C] is black."""
    return float((picture.amax(-1) < _BLACK).float().mean())


def flat(picture: torch.Tensor) -> bool:
    """Whether a picture shows nothing at all."""
    return float(picture.max() - picture.min()) < _FLAT


def drawn(picture: torch.Tensor) -> bool:
    """Whether a picture is bright lines or dots on black, and not a dark photograph, which is dark in all shades."""
    top = picture.amax(-1)
    lit = top[top >= _BLACK]
    return lit.numel() > 0 and black_share(picture) > _DRAWN and float((lit > _BRIGHT).float().mean()) > 0.5


def pose_notes(looks: list[torch.Tensor]) -> list[str]:
    """Of the pictures of pose_video [H, W, C]."""
    seen = [each for each in looks if not flat(each)]
    if not seen:
        return [f"{POSE}: no pose in any frame looked at. Check the pose detection, or leave the input unwired."]
    told = []
    photos = sum(black_share(each) < _PHOTO for each in seen)
    if 2 * photos > len(seen):
        told.append(
            f"{POSE}: this looks like a video itself, not like a pose drawn on black. Draw the pose first "
            "(DWPose Estimator or DrawViTPose, for example) and wire its pictures."
        )
    if len(seen) < len(looks):
        told.append(
            f"{POSE}: no pose in {len(looks) - len(seen)} of {len(looks)} frames looked at; motion may stop there."
        )
    return told


def face_notes(looks: list[torch.Tensor]) -> list[str]:
    """Of the pictures of face_video [H, W, C]."""
    seen = [each for each in looks if not flat(each)]
    if not seen:
        return [f"{FACES}: no face in any frame looked at. Check the face detection, or leave the input unwired."]
    told = []
    if 2 * sum(drawn(each) for each in seen) > len(seen):
        told.append(
            f"{FACES}: this looks like a drawing of landmarks on black. The model's face encoder was trained on "
            "photographs: wire the face cut out of the video itself, square (face_images of PoseAndFaceDetection)."
        )
    height, width = seen[0].shape[:2]
    if max(height, width) > _SQUARE * min(height, width):
        told.append(
            f"{FACES}: its frames are not square, and only the middle is seen. Cut out the face itself, square."
        )
    if len(seen) < len(looks):
        told.append(
            f"{FACES}: no face in {len(looks) - len(seen)} of {len(looks)} frames looked at (detection lost it). The "
            "expression goes blank there: repeat the frame before, or cut the driver."
        )
    return told


def mask_notes(looks: list[torch.Tensor]) -> list[str]:
    """Of masks [H, W], 1 where the character is."""
    white = [float((each > 0.5).float().mean()) for each in looks]
    if max(white) == 0.0:
        return [f"{MASK}: it is black in every frame looked at: nobody is replaced. White is the character."]
    if min(white) == 1.0:
        return [f"{MASK}: it is white all over: nothing of the background is kept. White is the character alone."]
    told = []
    turned = sum(_framed(each) for each in looks)
    if 2 * turned > len(looks):
        told.append(f"{MASK}: it looks inverted: white lies around the edges. White is the character; use Invert Mask.")
    empty = sum(share == 0.0 for share in white)
    if empty:
        told.append(f"{MASK}: it is black in {empty} of {len(looks)} frames looked at: nobody is replaced there.")
    grey = sum(float(((each > 0.05) & (each < 0.95)).float().mean()) for each in looks) / len(looks)
    if grey > 0.05:
        told.append(f"{MASK}: {grey:.0%} of it is grey. The model was trained on black and white: threshold it.")
    return told


def _framed(mask: torch.Tensor) -> bool:
    """White on most of the picture and of its left, right and upper edge: a character is seldom cut by all three."""
    edge = torch.cat((mask[:, 0], mask[:, -1], mask[0]))
    return float((edge > 0.5).float().mean()) > 0.7 and float((mask > 0.5).float().mean()) > 0.5


def background_notes(background: Driver, mask: Driver, length: int) -> list[str]:
    """Whether the background is black where the character goes, as the model was trained."""
    shares = []
    for place in sorted({0, (min(background.count, length) - 1) // 2}):
        picture = _grid(background.glimpse(place))
        inside = _grid(mask.glimpse(min(place, mask.count - 1))).mean(-1) > 0.5
        if inside.any():
            shares.append(black_share(picture[inside][None]))
    if not shares or sum(shares) / len(shares) > _PHOTO:
        return []
    return [
        f"{BACKGROUND}: it is not black where {MASK} is white, so the old character may show through, or the mask is "
        "inverted. Black out the character (Draw Mask On Image, for example)."
    ]


def _pairing(made: Mapping[str, Driver]) -> list[str]:
    missing = {BACKGROUND: MASK, MASK: BACKGROUND}
    told = []
    for name, other in missing.items():
        if name in made and other not in made:
            told.append(
                f"{other} is not wired, {name} is. Replacing a character needs both; animating a picture takes neither."
            )
    return told


# ---------------------------------------------------------------- the graph


def relighting(prompt: Mapping | None, node_id) -> str | None:
    """The relighting LoRA on the way of the MODEL through node ``node_id`` of a graph in the API's form, or None.

    A MODEL does not know the names of its LoRAs; the graph does. Looks before the node's model input and behind its
    first output.
    """
    start = str(node_id)
    if not prompt or start not in prompt:
        return None
    for node in _upstream(prompt, start) | _downstream(prompt, start):
        for value in (prompt[node].get("inputs") or {}).values():
            if isinstance(value, str) and "relight" in value.lower() and _counts(prompt[node]["inputs"]):
                return value
    return None


def _counts(inputs: Mapping) -> bool:
    return inputs.get("strength_model", 1.0) != 0


def _links(node: Mapping, only: str | None = None):
    for name, value in (node.get("inputs") or {}).items():
        if isinstance(value, (list, tuple)) and len(value) == 2 and only in (None, name):
            yield str(value[0]), value[1]


def _upstream(prompt: Mapping, start: str) -> set[str]:
    """All nodes that feed the model input of ``start``."""
    met, left = set(), [node for node, _ in _links(prompt[start], "model")]
    while left:
        node = left.pop()
        if node in prompt and node not in met:
            met.add(node)
            left += [source for source, _ in _links(prompt[node])]
    return met


def _downstream(prompt: Mapping, start: str) -> set[str]:
    """The nodes that pass the first output of ``start`` on as a model, one after the other."""
    met, left = set(), [start]
    while left:
        here = left.pop()
        for node, content in prompt.items():
            fed = any(source == here and output == 0 for source, output in _links(content, "model"))
            if fed and str(node) not in met and str(node) != start:
                met.add(str(node))
                left.append(str(node))
    return met


def relight_note(made: Mapping[str, Driver], name: str | None) -> list[str]:
    """The relighting LoRA is for replacement, where a character takes on the light of a scene."""
    if name is None or BACKGROUND in made or MASK in made:
        return []
    return [
        f"{name}: the relighting LoRA is trained for replacement (background and mask). Without them, leave it out."
    ]
