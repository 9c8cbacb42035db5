"""InfiniteTalk's layers put to work in a Wan model, by object patches: one way for every version of the host.

Per block three submodules get a new ``forward`` that calls the one before it: ``norm3`` remembers the picture's
tokens before the text, ``cross_attn`` adds what the sound has to add after it, and ``self_attn`` watches who speaks
where. They act only within a call that carries sound: a DIFFUSION_MODEL wrapper takes it from the call's arguments.
What a call needs lives in a context variable, so that threads and calls within calls do not mix, and ends with it.
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from ..errors import InputError
from . import talk_voices
from .talk_net import Net, Turn

KEY = "genga_talk"
AUDIO, SCALE, SPEAKERS = "genga_audio", "genga_audio_scale", "genga_speakers"
_OVERRIDE = "optimized_attention_override"
_NOTHING = object()
_CLASH = "Leave that patch out, or put the InfiniteTalk Loader behind it."

_now: ContextVar[Call | None] = ContextVar(KEY, default=None)


@dataclass
class Call:
    """One call of the Wan model with sound. ``x`` and ``turn`` hold between two submodules of one block only.

    tokens: [B, T, N, width]. start and seen: where the video's own tokens lie in the sequence, and how many a
    latent frame has. places: [B, 3, seen] with two speakers. silent: [B], rows without any sound.
    """

    talk: Talk
    tokens: torch.Tensor
    scale: float
    start: int
    seen: int
    places: torch.Tensor | None = None
    silent: torch.Tensor | None = None
    x: torch.Tensor | None = None
    turn: Turn | None = None

    def video(self, x: torch.Tensor) -> torch.Tensor:
        """The video's own tokens of [B, L, C]: what lies before and behind are references, which hear nothing."""
        return x[:, self.start : self.start + self.tokens.shape[1] * self.seen]


class Talk:
    """The audio layers of one model. A copy is itself: the host copies what hangs on a model, weights included.

    It does not keep the layers alive, the MODEL's ``additional_models`` do: patches stay on the live Wan model when
    the MODEL has gone, until another one is loaded, and the host calls memory held that way a leak.
    """

    def __init__(self, net: Net):
        self._net = weakref.ref(net)

    @property
    def net(self) -> Net:
        net = self._net()
        if net is None:
            raise InputError("model", "its InfiniteTalk weights are gone", "Run the InfiniteTalk Loader again.")
        return net

    def __deepcopy__(self, memo) -> Talk:
        return self

    def call(self) -> Call | None:
        call = _now.get()
        return call if call is not None and call.talk is self else None

    def wrapper(self, executor, x, *args, **kwargs):
        """Around the Wan model's forward: x [B, C, T, h, w] and the conditioning's tensors by name."""
        audio, scale = kwargs.pop(AUDIO, None), float(kwargs.pop(SCALE, 1.0))
        speakers = kwargs.pop(SPEAKERS, None)
        call = None
        if audio is not None and scale != 0.0:
            start = _tokens_before(executor.class_obj, x, kwargs)
            call = self.hear(x, audio, scale, speakers, start)
        token = _now.set(call)
        try:
            return executor(x, *args, **kwargs)
        finally:
            _now.reset(token)

    def hear(self, x: torch.Tensor, audio: torch.Tensor, scale: float, speakers: torch.Tensor | None, start: int):
        """The call's sound as tokens. Raises InputError where it does not fit the latent x [B, C, T, h, w]."""
        frames, height, width = x.shape[2], (x.shape[3] + 1) // 2, (x.shape[4] + 1) // 2
        check_sound(audio.shape, frames)
        audio = audio.to(x.device)
        call = Call(self, self.net.listen(audio).to(x.dtype), scale, start, height * width)
        if speakers is not None and audio.shape[1] == 2:
            if tuple(speakers.shape[1:]) != (talk_voices.CLASSES, height, width):
                problem = (
                    f"they are {list(speakers.shape[1:])}, this latent needs {[talk_voices.CLASSES, height, width]}"
                )
                raise InputError("masks of the speakers", problem, "Make them for the size of this latent.")
            call.places = speakers.to(x.device).flatten(2)
            call.silent = (audio == 0).flatten(1).all(1)
        return call


def check_sound(shape: tuple[int, ...], frames: int) -> None:
    """Raises where sound of this shape [B, speakers, F, 5, 12, 768] cannot go with a latent of ``frames`` frames."""
    if len(shape) != 6 or tuple(shape[3:]) != (5, 12, 768) or shape[1] not in (1, 2):
        problem = f"its shape is {list(shape)}, it must be [batch, 1 or 2 speakers, frames, 5, 12, 768]"
        raise InputError("audio", problem, "Make it with InfiniteTalk Window.")
    if shape[2] != 4 * frames - 3:
        problem = f"it was cut for {shape[2]} frames, the latent holds {4 * frames - 3}"
        raise InputError("audio", problem, "Use a latent of the window's length, and no context windows.")


def _tokens_before(network, x: torch.Tensor, kwargs: dict) -> int:
    """Tokens the network puts in front of the video's: one frame of a reference latent, if it takes one."""
    if getattr(network, "ref_conv", None) is None or kwargs.get("reference_latent") is None:
        return 0
    return ((x.shape[3] + 1) // 2) * ((x.shape[4] + 1) // 2)


def patch(model, talk: Talk, layers: int) -> None:
    """Puts ``talk`` on ``model``, a clone that nobody else has yet."""
    from comfy.patcher_extension import WrappersMP

    for index in range(layers):
        for part, make in (("norm3", _remember), ("cross_attn", _speak), ("self_attn", _watch)):
            name = f"diffusion_model.blocks.{index}.{part}.forward"
            # Asked of the patcher: the live module may still wear another clone's patch.
            model.add_object_patch(name, make(talk, index, model.get_model_object(name)))
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, KEY, talk.wrapper)


def _remember(talk: Talk, _index: int, before):
    def norm3(x, *args, **kwargs):
        call = talk.call()
        if call is not None:
            call.x = x
        return before(x, *args, **kwargs)

    return norm3


def _speak(talk: Talk, index: int, before):
    def cross_attn(x, *args, **kwargs):
        out = before(x, *args, **kwargs)
        call = talk.call()
        return out if call is None else _with_sound(call, index, out)

    return cross_attn


def _with_sound(call: Call, index: int, out: torch.Tensor) -> torch.Tensor:
    """``out``, which the block adds to its tokens, with the sound's part in it: that one sees tokens and text."""
    x, turn = call.x, call.turn
    call.x = call.turn = None
    if x is None or (call.places is not None and turn is None):
        part = "norm3" if x is None else "self attention"
        raise InputError("model", f"another patch replaces the {part} of its blocks, which InfiniteTalk needs", _CLASH)
    added = call.talk.net.blocks[index](call.video(x + out), call.tokens, turn) * call.scale
    if added.shape[1] == out.shape[1]:
        return out + added
    out = out.clone()
    call.video(out).add_(added)
    return out


def _watch(talk: Talk, _index: int, before):
    def self_attn(x, *args, **kwargs):
        call = talk.call()
        if call is None or call.places is None:
            return before(x, *args, **kwargs)
        if kwargs.get("transformer_options") is None:
            kwargs["transformer_options"] = {}
        options = kwargs["transformer_options"]
        # In the call's own dict, and taken back: other packs' patches write into it what they read later.
        kept = options.get(_OVERRIDE, _NOTHING)
        options[_OVERRIDE] = _Watcher(call, options, kept)
        try:
            return before(x, *args, **kwargs)
        finally:
            _put_back(options, kept)

    return self_attn


def _put_back(options: dict, kept) -> None:
    if kept is _NOTHING:
        options.pop(_OVERRIDE, None)
    else:
        options[_OVERRIDE] = kept


class _Watcher:
    """An attention override that looks at queries and keys and leaves the attention to the one before it."""

    def __init__(self, call: Call, options: dict, kept):
        self.call, self.options, self.kept = call, options, kept

    def __call__(self, chosen, q, k, v, heads, *args, **kwargs):
        _put_back(self.options, self.kept)
        self.call.turn = _turn(self.call, *_flat(q, k, kwargs.get("skip_reshape", False)), heads)
        if self.kept is _NOTHING or self.kept is None:
            return chosen(q, k, v, heads, *args, **kwargs)
        return self.kept(chosen, q, k, v, heads, *args, **kwargs)


def _flat(q: torch.Tensor, k: torch.Tensor, split: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """q and k as [B, L, C]; ``split`` where they come as [B, heads, L, D]."""
    return tuple(part.transpose(1, 2).flatten(2) for part in (q, k)) if split else (q, k)


def _turn(call: Call, q: torch.Tensor, k: torch.Tensor, heads: int) -> Turn:
    """Where picture and sound lie on the speakers' axis.

    Rows without sound are not turned at all: the reference's pass without sound has a single silent speaker.
    """
    first = call.video(k)[:, : call.seen]
    at = talk_voices.positions(talk_voices.scores(call.video(q), first, call.places, heads))
    sounds = talk_voices.heard_at(call.tokens.shape[2], at.device).expand(len(at), -1)
    heard = (~call.silent).unsqueeze(-1)
    return at * heard, sounds * heard
