"""What a video can be saved as: the file, its encoders, pixels and sound. Needs PyAV, not the host."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import av

from ..errors import InputError

WORST_CRF = 100  # of the input; each encoder ends earlier
_X264_WORST = 51
_GIF_CLOCK = 100  # a GIF counts in hundredths of a second, and players slow down what is shown for less than two
_MOVFLAGS = "use_metadata_tags+faststart"
# The same frames must give the same file: a window made again has to equal the one that was lost. Left alone, x264
# takes approximations that differ by processor, and where it finds AVX-512 its look-ahead (mbtree) differs from run
# to run, in small pictures above all. This switch costs no time that could be measured.
_X264 = {"preset": "medium", "x264-params": "cpu-independent=1"}
_VP9 = {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1", "threads": "auto"}
_FFV1 = {"level": "3", "slicecrc": "1", "slices": "4"}  # RFC 9043, version 3: checksums, and several threads
_OF_ENCODER: dict[str, Mapping[str, str]] = {
    "libx264": _X264,
    "libvpx-vp9": _VP9,
    "libsvtav1": {"preset": "8"},
    "libaom-av1": {"b": "0", "cpu-used": "6", "row-mt": "1"},
    "ffv1": _FFV1,
}
# The sides in pixels that an encoder takes: least, most of the width, most of the height. SVT-AV1 never comes back from
# some frames that are narrower than its blocks, 2048x16 say, and so would hold the host's queue for ever.
# FFV1 cuts each frame into two by two slices.
_SIDES = {"libsvtav1": (32, 16384, 8704), "ffv1": (2, 16384, 16384)}


@dataclass(frozen=True)
class Format:
    """One value of Save Video's ``format``.

    encoders: any of these writes it, the best first; empty where Pillow does. filters: what PyAV's filters must have.
    worst_crf, best_crf: the ends of the encoder's scale, None where it has none. even: whether sizes must be even. sound: the
    encoder of the sound and the rates in Hz it takes, None where the file holds no sound.
    """

    name: str
    says: str
    extension: str
    muxer: str
    encoders: tuple[str, ...]
    worst_crf: int | None = None
    best_crf: int = 0
    even: bool = True
    sound: str | None = None
    filters: tuple[str, ...] = ()
    most_fps: Fraction | None = None
    played: bool = True  # whether browsers play it

    def encoder(self) -> str:
        """The first of ``encoders`` that this PyAV has; InputError where it has none, or lacks a filter."""
        found = next((name for name in self.encoders if name in av.codecs_available), None)
        lacks = [name for name in self.filters if name not in av.filter.filters_available]
        if self.encoders and (found is None or lacks):
            needed = " and ".join([" or ".join(self.encoders), *lacks])
            raise InputError(
                "format",
                f"{self.name} needs {needed}, which this PyAV ({av.__version__}) was built without",
                "Choose another format, or install the ready-made PyAV into ComfyUI's Python: "
                "pip install --force-reinstall --only-binary av av",
            )
        return found or "png"

    def rate_factor(self, crf: int) -> int | None:
        """The encoder's own rate factor for ``crf`` 0..100: x264's scale, stretched onto 0..63 for VP9 and AV1.

        On x264's scale 51 is the worst; anything above is that. None where the format has no rate factor.
        """
        given = check_crf(crf)
        if self.worst_crf is None:
            return None
        return max(self.best_crf, min(self.worst_crf, round(given * self.worst_crf / _X264_WORST)))

    def options(self, encoder: str, crf: int) -> dict[str, str]:
        """What the encoder is told."""
        factor = self.rate_factor(crf)
        return {**({} if factor is None else {"crf": str(factor)}), **_OF_ENCODER.get(encoder, {})}

    def container_options(self, fps: Fraction) -> dict[str, str]:
        return mp4_options(fps) if self.muxer == "mp4" else {}

    def check_rate(self, fps: Fraction) -> None:
        """Raises InputError for a frame rate that the format cannot hold."""
        if self.most_fps is not None and fps > self.most_fps:
            most = f"{float(self.most_fps):g}"
            raise InputError(
                "fps", f"{float(fps):g} is more than {self.name} can show, {most}", f"Use at most {most}, or webm."
            )

    def check_size(self, size: tuple[int, int]) -> None:
        """Raises InputError for frames (width, height) that this PyAV's encoder of the format cannot write."""
        least, widest, highest = _SIDES.get(self.encoder(), (1, math.inf, math.inf))
        if min(size) < least or size[0] > widest or size[1] > highest:
            problem = f"{self.name} takes frames of {least}x{least} to {widest}x{highest}, not of {size[0]}x{size[1]}"
            raise InputError("format", problem, "Choose another format, mp4 say, or another size.")


MP4 = Format("mp4", "H.264", "mp4", "mp4", ("libx264",), _X264_WORST, sound="aac")
FORMATS = {
    form.name: form
    for form in (
        MP4,
        Format("webm", "VP9", "webm", "webm", ("libvpx-vp9",), 63, sound="libopus"),
        # FFmpeg takes 0 of libsvtav1 for "not given", and then it is 35.
        Format("webm-av1", "AV1", "webm", "webm", ("libsvtav1", "libaom-av1"), 63, 1, sound="libopus"),
        Format(
            "gif", "GIF", "gif", "gif", ("gif",), even=False, filters=("palettegen", "paletteuse"),
            most_fps=Fraction(_GIF_CLOCK, 2),
        ),
        Format("png-sequence", "PNG", "", "", (), even=False),
        Format("mkv-lossless", "FFV1", "mkv", "matroska", ("ffv1",), even=False, sound="flac", played=False),
    )
}  # fmt: skip


def by_name(name: str) -> Format:
    """The format an input names; InputError for one that is not known."""
    if name not in FORMATS:
        raise InputError("format", f"{name!r} is not known", f"Choose one of {', '.join(FORMATS)}.")
    return FORMATS[name]


def check_crf(crf: int) -> int:
    """The rate factor as people give it: 0 loses least, 16 is the default, 51 and more are the worst."""
    if crf != int(crf) or not 0 <= crf <= WORST_CRF:
        raise InputError(
            "crf", f"{crf} is not a rate factor", f"Give a whole number from 0 to {WORST_CRF}; 16 is the default."
        )
    return int(crf)


def mp4_options(fps: Fraction) -> dict[str, str]:
    """Tags at the head, and a clock in which every frame's time is exact; the default, 1 ms, cuts the end.

    use_metadata_tags keeps keys such as "workflow"; faststart puts them at the head, where ComfyUI's page reads them:
    it looks at the first 64 MiB of a dropped file and no further.
    """
    ticks = fps.numerator * math.ceil(1000 / fps.numerator)
    return {"movflags": _MOVFLAGS, "movie_timescale": str(ticks)}
