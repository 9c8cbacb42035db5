"""RGB frames to what an encoder takes: planes of BT.709, limited range, 4:2:0, or RGB of 8 bits. Torch only.

The host leaves this to swscale's default (BT.601) and writes no tag; players then take HD video for BT.709
and reds and greens shift. Here the matrix is BT.709 and the writer says so in the stream.
"""

from __future__ import annotations

import torch

# Luma weights of ITU-R BT.709-6, item 3.2; green is what remains to 1.
RED, BLUE = 0.2126, 0.0722


def pad_to_even(frames: torch.Tensor) -> torch.Tensor:
    """[N,H,W,C] with H and W even, as 4:2:0 needs: the last row and column are repeated where they are odd."""
    if frames.shape[1] % 2:
        frames = torch.cat((frames, frames[:, -1:]), dim=1)
    if frames.shape[2] % 2:
        frames = torch.cat((frames, frames[:, :, -1:]), dim=2)
    return frames


def rgb_to_yuv420(frames: torch.Tensor) -> torch.Tensor:
    """Frames [N,H,W,3] in 0..1, even size, any float dtype and device -> planes [N, 3*H/2, W], uint8.

    BT.709-6 items 3.2 to 3.5: Y' in 16..235, C'b and C'r in 16..240, rounded once, to the nearest level. Each
    frame's rows are the Y plane, then U, then V, packed as FFmpeg's yuv420p.
    """
    count, height, width, _ = frames.shape
    red, green, blue = frames.float().clamp(0, 1).unbind(-1)
    luma = RED * red + (1 - RED - BLUE) * green + BLUE * blue
    chroma = torch.stack(((blue - luma) / (2 * (1 - BLUE)), (red - luma) / (2 * (1 - RED))), dim=1)
    # The half makes the cut of the cast a rounding; Tensor.round would wake every thread for each small frame.
    luma = 16.5 + 219 * luma
    chroma = 128.5 + 224 * _halve(chroma)
    planes = torch.cat((luma.flatten(1), chroma.flatten(1)), dim=1)
    return planes.to(torch.uint8).view(count, height * 3 // 2, width)


def rgb_to_bytes(frames: torch.Tensor) -> torch.Tensor:
    """Frames in 0..1, any shape, float dtype and device -> uint8 of the same shape, rounded to the nearest level."""
    return (frames.float().clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def _halve(plane: torch.Tensor) -> torch.Tensor:
    """Half the size; samples sit on the even columns and between two rows, which is H.264's default."""
    rows = (plane[..., 0::2, :] + plane[..., 1::2, :]) / 2
    before = torch.cat((rows[..., :1], rows[..., 1:-1:2]), dim=-1)
    return (before + 2 * rows[..., 0::2] + rows[..., 1::2]) / 4
