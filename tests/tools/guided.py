"""Runs of the tiny models through the host's guiders, and an answer for them that is known exactly."""

from __future__ import annotations

import torch

SHAPE = (1, 16, 3, 4, 4)
PLACES = ((0.6, 0.5), (-0.4, 0.3))  # mean and standard deviation of what the two experts believe in
FIRST_ORDER_END = {"unipc", "res_2m", "euler", "heun", "dpmpp_2m"}  # most of their error is made in the last step


def guider_of(model, prompts, cfg: float = 1.0):
    """The host's plain guider."""
    import comfy.samplers

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*prompts)
    guider.set_cfg(cfg)
    return guider


def experts_of(high, low, prompts, cfg: float = 1.0, cfg_low: float | None = None, boundary: float = 0.9):
    """Ours, over two models."""
    from genga.samplers import experts

    guider = experts.ExpertGuider(high, low, boundary)
    guider.set_conds(*prompts)
    guider.set_cfg(cfg, cfg_low)
    return guider


def schedule(model, steps: int, scheduler: str = "simple") -> torch.Tensor:
    import comfy.samplers

    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps)


def noise_of(latent: torch.Tensor, seed: int = 3) -> torch.Tensor:
    import comfy.sample

    return comfy.sample.prepare_noise(latent, seed)


def sample(guider, sampler, sigmas, latent=None, mask=None, seed: int = 3, callback=None, noise=None) -> torch.Tensor:
    """What a sampling node does with a guider."""
    latent = torch.zeros(SHAPE) if latent is None else latent
    noise = noise_of(latent, seed) if noise is None else noise
    return guider.sample(
        noise, latent, sampler, sigmas, denoise_mask=mask, callback=callback, disable_pbar=True, seed=seed
    )


def believing(model, mean: float, std: float):
    """The model is run as ever; its answer is replaced by a Gaussian's, which the random tiny weights are not:
    as a function of sigma they are too rough for any solver to converge."""

    def answer(args):
        s = float(args["sigma"].flatten()[0])
        return mean + (1 - s) * std**2 / level(s, std) * (args["input"] - (1 - s) * mean)

    model = model.clone()
    model.set_model_sampler_post_cfg_function(answer)
    return model


def level(s: float, std: float) -> float:
    return (1 - s) ** 2 * std**2 + s * s


def moved(x: torch.Tensor, start: float, end: float, mean: float, std: float) -> torch.Tensor:
    """Where x at noise level ``start`` is at ``end``, in closed form."""
    return (1 - end) * mean + (level(end, std) / level(start, std)) ** 0.5 * (x - (1 - start) * mean)


def counted(model, levels: list):
    """The model with a wrapper that notes the noise level of each call."""
    import comfy.patcher_extension as extension

    model = model.clone()

    def note(executor, x, t, *args, **kwargs):
        levels.append(float(t[0]))
        return executor(x, t, *args, **kwargs)

    model.add_wrapper_with_key(extension.WrappersMP.APPLY_MODEL, "count", note)
    return model


def enough(name: str, steps: int) -> int:
    """Steps at which the solver must be near the exact answer."""
    return 100 if name in FIRST_ORDER_END else steps


def off(result: torch.Tensor, limit: torch.Tensor) -> float:
    return float((result - limit).norm() / limit.norm())
