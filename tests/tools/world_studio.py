"""The trained models through the pack's and the host's own nodes: a caption and key pictures in, frames out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tiny import trained, world

from . import windowed

STEPS = 8


@dataclass(frozen=True)
class Key:
    """A key picture [H, W, 3] at a frame; mask: [H, W], white where it applies, or None."""

    picture: torch.Tensor
    frame: int
    strength: float = 1.0
    mask: torch.Tensor | None = None


class Studio:
    """Loads the pair, the text encoder and the VAE once. Needs the host and the pack."""

    def __init__(self):
        from genga.nodes.loading import AniSoraLoader

        options = ("auto", "default", "auto", 5.0)
        self.high, self.low, self.clip, self.vae = AniSoraLoader.execute(
            trained.HIGH, trained.LOW, trained.TEXT, trained.VAE, *options
        ).args
        self.empty = self.said("")

    def said(self, words: str) -> list:
        """CONDITIONING of a prompt as it is."""
        import nodes

        return nodes.CLIPTextEncode().encode(self.clip, words)[0]

    def scored(self, words: str, score: float) -> list:
        """CONDITIONING with AniSora's score sentence."""
        from genga.nodes.prompt import AniSoraPrompt

        return AniSoraPrompt.execute(self.clip, words, score, 5.5).args[0]

    def directed(self, positive: list, keys: list[Key], frames: int = 17, seed: int = 0, mask_mode: str = "exact",
                 snap: str = "none", steps: int = STEPS, sampler: str = "euler", models=None) -> torch.Tensor:  # fmt: skip
        """Frames [F, 64, 64, 3] of the expert pair with key pictures. models: (high, low) in place of the pair."""
        from genga.nodes.keyframes import ArbitraryKeyframes, Keyframe, WanFFLF
        from genga.nodes.sampling import ExpertSampler

        chain = None
        for key in keys:
            mask = None if key.mask is None else key.mask[None]
            chain = Keyframe.execute(key.picture[None], key.frame, key.strength, mask, chain).args[0]
        size = (positive, self.empty, self.vae, world.SIZE, world.SIZE, frames)
        if chain is None:
            made = WanFFLF.execute(*size)
        else:
            made = ArbitraryKeyframes.execute(*size, keyframes=chain, mask_mode=mask_mode, snap=snap)
        positive, negative, latent = made.args
        high, low = models or (self.high, self.low)
        latent = ExpertSampler.execute(
            high, low, positive, negative, latent, seed, steps, 1.0, -1.0, sampler, "simple", 0.9, 1.0
        ).args[0]
        return self.decoded(latent)

    def imagined(self, positive: list, frames: int = 17, seed: int = 0, steps: int = 12) -> torch.Tensor:
        """Frames [F, 64, 64, 3] of the text-to-video model, from words alone."""
        from comfy_extras.nodes_hunyuan import EmptyHunyuanLatentVideo

        import nodes

        (model,) = nodes.UNETLoader().load_unet(trained.T2V, "default")
        latent = EmptyHunyuanLatentVideo.execute(world.SIZE, world.SIZE, frames, 1).args[0]
        arguments = (seed, steps, 1.0, "euler", "simple", positive, self.empty, latent)
        return self.decoded(nodes.KSampler().sample(shifted(model), *arguments)[0])

    def chained(self, positive: list, first: torch.Tensor, frames: int, window: int, shared: int, seed: int,
                folder: Path) -> torch.Tensor:  # fmt: skip
        """Frames [F, 64, 64, 3] of the pair in windows from a first picture on. folder: for the finished windows."""
        import comfy.samplers
        from genga.nodes.chaining import WanI2VWindow
        from genga.nodes.sampling import ExpertGuider
        from genga.samplers.windows import engine, store
        from genga.samplers.windows.finish import Colour

        windows = WanI2VWindow.execute(
            self.vae, first[None], world.SIZE, world.SIZE, frames, 16.0, window, shared
        ).args[0]
        guider = ExpertGuider.execute(self.high, self.low, positive, self.empty, 1.0, -1.0, 0.9).args[0]
        sigmas = comfy.samplers.calculate_sigmas(self.high.get_model_object("model_sampling"), "simple", STEPS)
        job = engine.Job(guider, comfy.samplers.sampler_object("euler"), sigmas, self.vae, windows, seed,
                         colour=Colour("overlap"))  # fmt: skip
        with store.Store(folder) as opened:
            return windowed.frames_of(engine.run(job, opened, windowed.Silent(), windowed.exact))

    def decoded(self, latent: dict) -> torch.Tensor:
        """Frames [F, 64, 64, 3]."""
        import nodes

        return nodes.VAEDecode().decode(self.vae, latent)[0].float()

    def round_trip(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames through the VAE and back."""
        return self.decoded({"samples": self.vae.encode(frames)})


def shifted(model):
    """With the shift 5 that the pair is loaded with, too."""
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    return ModelSamplingSD3().patch(model, 5.0)[0]
