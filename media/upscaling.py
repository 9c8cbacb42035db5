"""Frames enlarged by an upscale model, one after the other, in tiles: the host's own tiled call and its sizes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

import torch

from .. import compat

TILE, SMALLEST, OVERLAP = 512, 128, 32  # as the host's Upscale Image (using Model) has them


class Tiles:
    """Counts tiles for ``step``, which is told frames with a fraction; the host calls ``update`` after each tile."""

    def __init__(self, step: Callable[[float], None]):
        self.step, self.frames, self.tiles, self.all = step, 0, 0, 1

    def begin(self, tiles: int) -> None:
        self.tiles, self.all = 0, tiles

    def update(self, tiles: int) -> None:
        self.tiles += tiles
        self.step(self.frames + min(1.0, self.tiles / self.all))


def upscaled(frames: Iterable[torch.Tensor], model, step: Callable[[float], None]) -> Iterator[torch.Tensor]:
    """[n,H,W,3] -> one frame [1, H * scale, W * scale, 3] after the other, 0..1, on the CPU.

    Where memory does not suffice for a tile, smaller ones are taken from there on, down to 128 pixels.
    """
    tile, tiles = TILE, Tiles(step)
    with compat.upscaler(model) as device:
        for batch in frames:
            for frame in batch:
                larger, tile = _enlarged(frame, model, device, tile, tiles)
                yield larger
                tiles.frames += 1


def _enlarged(frame: torch.Tensor, model, device, tile: int, tiles: Tiles) -> tuple[torch.Tensor, int]:
    """One frame [H,W,3] enlarged, and the tile that fitted."""
    import comfy.utils

    picture = frame.movedim(-1, 0)[None].to(device)
    while True:
        tiles.begin(comfy.utils.get_tiled_scale_steps(picture.shape[3], picture.shape[2], tile, tile, OVERLAP))
        try:
            larger = comfy.utils.tiled_scale(
                picture, lambda part: model(part.float()), tile_x=tile, tile_y=tile, overlap=OVERLAP,
                upscale_amount=model.scale, pbar=tiles,
            )  # fmt: skip
        except RuntimeError as error:
            if not compat.is_out_of_memory(error) or tile // 2 < SMALLEST:
                raise
            tile //= 2
            logging.info("[Genga] upscaling: out of memory, on in tiles of %d pixels", tile)
            continue
        return larger.clamp(0, 1).movedim(1, -1).float().cpu(), tile
