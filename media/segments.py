"""Closed pieces of a video, one a window: written frame by frame, joined without encoding them again."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch

from ..errors import InputError
from .formats import mp4_options
from .soundtrack import Soundtrack, check_audio
from .source import picture, read_frames
from .video import VideoWriter, check_fps

SegmentWriter = VideoWriter  # a segment is a whole video of its own, without sound and tags
_CRF_AGAIN = 12  # for pieces that must be encoded once more: near to lossless
_LEAD = 8  # frames before the wanted ones at which reading a tail starts, where the file has a key frame there


@dataclass(frozen=True)
class Joined:
    """What ``join`` wrote; ``size``: (width, height). ``encoded``: the pieces did not fit and were encoded anew."""

    frames: int
    size: tuple[int, int]
    encoded: bool = False


@dataclass(frozen=True)
class _Piece:
    """A segment as its packets tell it. ``delay``: how many frames decoding runs ahead of showing, at most."""

    path: Path
    frames: int
    delay: int
    size: tuple[int, int]
    header: tuple  # the encoder's parameters: equal in pieces that can stand in one stream


def join(
    segments: Sequence[Path],
    out: Path,
    fps: float | Fraction,
    audio: dict | None = None,
    metadata: dict[str, str] | None = None,
    on_frames: Callable[[int], None] = lambda frames: None,
) -> Joined:
    """Writes the segments one after the other as one MP4: their packets as they are, sound as AAC, tags at the head.

    Every frame lasts exactly 1/fps. The sound is cut where the video ends; shorter sound just ends.
    ``on_frames(frames so far)`` is called after every segment; raised from it, an exception stops the work. The file
    is made as ``<stem>.part<suffix>`` beside ``out`` and takes its name when all is written. After an error ``out`` is
    as it was, but an empty file there (naming.reserve) is removed. Memory does not grow with the length.
    """
    out, rate = Path(out), check_fps(fps)
    sound = None if audio is None else check_audio(audio)
    part = out.with_name(f"{out.stem}.part{out.suffix}")
    part.unlink(missing_ok=True)  # of a killed run
    try:
        pieces = [_survey(Path(path), rate) for path in segments]
        if not pieces:
            raise InputError("segments", "there is none", "Give at least one.")
        if all(piece is not None and piece.header == pieces[0].header for piece in pieces):
            made = _copy(pieces, part, rate, sound, metadata or {}, on_frames)
        else:
            made = _encode(segments, part, rate, audio, metadata or {}, on_frames)
        os.replace(part, out)
    except BaseException:
        _clear(part, out)
        raise
    return made


def read_tail(path: Path, n: int) -> torch.Tensor:
    """The last ``n`` frames of a video as [n,H,W,3], float32, 0..1; all of them where there are fewer.

    Only the end of the file is decoded where that can be trusted, else all of it; held are ``n`` frames, never more.
    """
    if n < 1:
        raise InputError("frames", f"{n} is no number of frames", "Ask for at least one.")
    frames = _tail_by_seeking(path, n) or _tail_by_reading(path, n)
    if not frames:
        raise InputError("video", f"{path} holds no frame", "Give a video that can be played.")
    return torch.stack([picture(frame) for frame in frames])


def _survey(path: Path, fps: Fraction) -> _Piece | None:
    """What the packets of a segment tell; None where they are not H.264, one a frame, 1/fps apart."""
    with av.open(str(path)) as container:
        stream = next(iter(container.streams.video), None)
        context = stream and stream.codec_context
        if context is None or context.name != "h264":
            return None
        shown = _shown(_packets(container, stream), fps)
        if not shown or sorted(shown) != list(range(len(shown))):
            return None
        delay = max(place - number for place, number in enumerate(shown))
        size = (context.width, context.height)
        return _Piece(path, len(shown), delay, size, (context.extradata, context.pix_fmt, size))


def _packets(container, stream) -> Iterator[av.Packet]:
    """Without the empty ones that stand for the end."""
    return (packet for packet in container.demux(stream) if packet.size)


def _shown(packets: Iterable[av.Packet], fps: Fraction) -> list[int]:
    """For each packet in the file's order, which frame it is; [] where the times are missing or fall between."""
    times = [(packet.pts, packet.time_base) for packet in packets]
    if not times or any(pts is None for pts, _ in times):
        return []
    first = min(pts for pts, _ in times)
    exact = [(pts - first) * base * fps for pts, base in times]
    # A file's clock may be too coarse for 1/fps; a tenth of a frame is no gap.
    return [round(place) for place in exact] if all(abs(place - round(place)) < 0.1 for place in exact) else []


def _copy(pieces, part: Path, fps: Fraction, sound, metadata: dict, on_frames) -> Joined:
    """The packets of all pieces in one stream. Each piece was encoded alone, so each starts at a key frame."""
    delay = max(piece.delay for piece in pieces)
    frames = 0
    with av.open(str(part), mode="w", format="mp4", options=mp4_options(fps)) as container:
        container.metadata.update(metadata)
        with av.open(str(pieces[0].path)) as first:
            stream = container.add_stream_from_template(first.streams.video[0])
        stream.time_base = 1 / fps
        track = None if sound is None else Soundtrack(container, *sound)
        for piece in pieces:
            for place, packet in enumerate(_retimed(piece, stream, fps)):
                packet.pts += frames
                packet.dts = frames + place - delay
                container.mux(packet)
                if track is not None:
                    track.write_until((frames + place + 1) / fps)
            frames += piece.frames
            on_frames(frames)
        if track is not None:
            track.finish()
    return Joined(frames, pieces[0].size)


def _retimed(piece: _Piece, stream, fps: Fraction) -> Iterator[av.Packet]:
    """A piece's packets for ``stream``, with times in frames: the first shown is 0."""
    with av.open(str(piece.path)) as container:
        packets = list(_packets(container, container.streams.video[0]))
        for number, packet in zip(_shown(packets, fps), packets, strict=True):
            packet.stream, packet.time_base = stream, 1 / fps
            packet.pts, packet.duration = number, 1
            yield packet


def _encode(segments, part: Path, fps: Fraction, audio, metadata: dict, on_frames) -> Joined:
    """For pieces of different encoders or settings, which no single stream can hold."""
    with VideoWriter(part, fps, crf=_CRF_AGAIN, audio=audio, metadata=metadata) as writer:
        for path in segments:
            for batch in read_frames(path):
                writer.write(batch)
            on_frames(writer.frames)
    return Joined(writer.frames, writer.size, encoded=True)


def _clear(part: Path, out: Path) -> None:
    """The error that led here is the one to be seen."""
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)
        if out.exists() and out.stat().st_size == 0:
            out.unlink()


def _tail_by_reading(path: Path, n: int) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        frames = container.decode(video=0) if container.streams.video else ()
        return list(deque(frames, maxlen=n))


def _tail_by_seeking(path: Path, n: int) -> list[av.VideoFrame]:
    """The last n frames from a key frame near the end; [] where it is not certain that they are those."""
    with av.open(str(path)) as container:
        stream = next(iter(container.streams.video), None)
        rate = stream and stream.average_rate
        if not (rate and stream.duration and stream.time_base):
            return []
        start = (stream.start_time or 0) + stream.duration
        back = int((n + _LEAD) / rate / stream.time_base)
        if back >= stream.duration:
            return []
        try:
            container.seek(start - back, stream=stream)
            return _certain(container, stream, n, start - 1 / rate / stream.time_base)
        except av.FFmpegError:
            return []


def _certain(container, stream, n: int, last: Fraction) -> list[av.VideoFrame]:
    """The last n frames decoded from here, if they are sound, in order, and reach to the time ``last``."""
    held: deque[av.VideoFrame] = deque(maxlen=n)
    first = None
    for packet in container.demux(stream):
        first = packet.pts if first is None else first
        for frame in packet.decode():
            if frame.pts is None or first is None or frame.is_corrupt:
                return []
            if frame.pts >= first:  # those shown before the key frame may lean on pictures that were not read
                held.append(frame)
    times = [frame.pts for frame in held]
    step = 1 / stream.average_rate / stream.time_base
    even = all(abs(after - now - step) < step / 2 for now, after in zip(times, times[1:], strict=False))
    return list(held) if len(held) == n and even and abs(times[-1] - last) < step / 2 else []
