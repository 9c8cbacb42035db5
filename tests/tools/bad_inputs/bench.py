"""One right call of every node, for rows to make wrong."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from genga_tests.tiny import files

from .row import latent, picture

SIZE = {"width": 32, "height": 32, "length": 17}
GIVEN = object()


class Bench:
    """One right call of every node; a row changes what it wants wrong."""

    def __init__(self, host, vae, prompts, load_model):
        from genga.nodes import color, keyframes, loading, output, prompt, sampling, size, solvers

        self.base, self.vae, self.texts = host.base, vae, prompts
        self.nodes, self.sizes = keyframes, size
        self._loading, self._output, self._prompt, self._sampling = loading, output, prompt, sampling
        self._color, self._solvers = color, solvers
        self._load_model, self._loaded = load_model, {}

    def prepare(self) -> None:
        """What rows about sampling need, made before anything is counted."""
        for name in (files.I2V_HIGH, files.I2V_LOW, files.I2V_21, files.T2V, files.VACE):
            self._loaded[name] = self._load_model(name)
        for kind, name in (("i2v", files.AIO_I2V), ("mega", files.AIO_MEGA)):
            model, clip, vae = self.phr00t(name).args
            self._loaded[kind] = SimpleNamespace(model=model, clip=clip, vae=vae)
        self.own = self.anisora().args[:2]
        small = {"length": 9}
        self._loaded |= {
            "inpaint": self.fflf(first_image=picture(), **small).args[0],
            "vace": self.fflf(first_image=picture(), control="vace", **small).args[0],
            "keyframes": self.af(self.keys(0, 4, 8), **small).args[0],
        }

    def model(self, name: str):
        return self._loaded[name]

    def aio(self, kind: str):
        return self._loaded[kind]

    def other_vae(self, channels: int, dimensions: int):
        return SimpleNamespace(latent_channels=channels, latent_dim=dimensions)

    def shown(self, kind: str):
        """A prompt that has been through a conditioning node."""
        return self._loaded[kind]

    def ranged(self) -> list:
        return [[self.texts[0][0][0], {"start_percent": 0.0, "end_percent": 0.5}]]

    def fflf(self, vae=None, texts=None, **given):
        vae = self.vae if vae is None else vae
        return self.nodes.WanFFLF.execute(*(texts or self.texts), vae, **(SIZE | given))

    def key(self, image=GIVEN, frame=0, **given):
        return self.nodes.Keyframe.execute(picture() if image is GIVEN else image, frame, **given).args[0]

    def keys(self, *frames: int):
        chain = None
        for frame in frames:
            chain = self.key(frame=frame, keyframes=chain)
        return chain

    def af(self, keyframes=None, vae=None, texts=None, **given):
        vae = self.vae if vae is None else vae
        texts = texts or self.texts
        return self.nodes.ArbitraryKeyframes.execute(*texts, vae, keyframes=keyframes, **(SIZE | given))

    def size(self, image, budget="480p (832x480)", megapixels=0.4):
        return self.sizes.SizeFromImage.execute(image, budget, megapixels, enlarge=True)

    def prompt(self, text="A cat jumps.", motion=3.0, aesthetic=5.5, clip=GIVEN):
        clip = self.aio("i2v").clip if clip is GIVEN else clip
        return self._prompt.AniSoraPrompt.execute(clip, text, motion, aesthetic)

    def _pair(self, conditioning, high, low):
        high = self.model(files.I2V_HIGH) if high is None else high
        if low is None:
            low = self.model(files.I2V_LOW) if high is self.model(files.I2V_HIGH) else high
        if isinstance(conditioning, str):
            conditioning = self.shown(conditioning)
        return high, low, self.texts[0] if conditioning is None else conditioning

    def guide(self, conditioning=None, high=None, low=None, **given):
        return self._sampling.ExpertGuider.execute(*self._pair(conditioning, high, low), **given)

    def sample(self, start=GIVEN, conditioning=None, high=None, low=None, **given):
        given = {
            "seed": 1,
            "steps": 1,
            "sampler_name": "euler",
            "latent_image": latent() if start is GIVEN else start,
        } | given
        return self._sampling.ExpertSampler.execute(*self._pair(conditioning, high, low), **given)

    def custom(self, guider, start: dict):
        """The host's own sampling node with a guider of ours."""
        from comfy_extras import nodes_custom_sampler as host

        sampler = host.KSamplerSelect.execute("euler").args[0]
        sigmas = torch.tensor([1.0, 0.5, 0.0])
        return host.SamplerCustomAdvanced.execute(self.noise(1).args[0], guider.args[0], sampler, sigmas, start)

    def noise(self, seed: int):
        return self._sampling.Noise.execute(seed)

    def host_sampler(self, conditioning, model):
        import nodes

        start = latent(1, 16, 3, 4, 4)
        shown = self._loaded[conditioning]
        return nodes.KSampler().sample(model, 1, 1, 1.0, "euler", "simple", shown, shown, start)

    def sampler(self, name="genga", **given):
        return self._solvers.Sampler.execute(name, **given)

    def scheduler(self, name="simple", model=GIVEN, steps=8, **given):
        model = self.model(files.I2V_HIGH) if model is GIVEN else model
        return self._solvers.Scheduler.execute(model, name, steps, **given)

    def unshifted(self):
        """A model that is none of flow, as far as the scheduler looks."""
        from comfy.model_sampling import ModelSamplingDiscrete

        return SimpleNamespace(get_model_object=lambda _: ModelSamplingDiscrete())

    def color(self, image=GIVEN, reference=GIVEN, method="mkl", strength=1.0, **given):
        image = picture(2, 32, 32, 3) if image is GIVEN else image
        reference = picture() if reference is GIVEN else reference
        return self._color.ColorMatch.execute(image, reference, method, strength, **given)

    def target(self, index: int):
        return self.color(statistics="target_frame", target_index=index)

    def wan(self, name=files.T2V, base_precision="auto", weight_dtype="default", attention="auto", shift=5.0):
        return self._loading.WanModelLoader.execute(name, base_precision, weight_dtype, attention, shift)

    def anisora(self, high=files.I2V_HIGH, low=files.I2V_LOW, text=files.TEXT, vae=files.VAE, shift=5.0):
        return self._loading.AniSoraLoader.execute(high, low, text, vae, "auto", "default", "auto", shift)

    def phr00t(self, name, variant="low noise"):
        return self._loading.Phr00tLoader.execute(name, variant, "auto", "default", "auto")

    def save(self, prefix="bad/video", images=GIVEN, **given):
        images = picture(2, 32, 32, 3) if images is GIVEN else images
        return self._output.SaveVideo.execute(prefix, images=images, **given)

    def video(self, name: str):
        from comfy_api.latest import InputImpl

        return InputImpl.VideoFromFile(str(self.base / name))

    def sound(self, channels: int, samples: int) -> dict:
        return {"waveform": torch.zeros(1, channels, samples), "sample_rate": 16000}
