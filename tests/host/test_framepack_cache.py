"""Steps left out with FramePack: the host's EasyCache, and TeaCache against a computation of its own."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import framepack as tiny
from safetensors.torch import save_file

STEPS = 12
POLYNOMIAL = [733.226126, -401.131952, 67.5869174, -3.149878, 0.0961237896]  # knows nothing of the node's


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.model_management
    import comfy.patcher_extension
    import comfy.sample
    import comfy.samplers
    from comfy_extras import nodes_easycache
    from genga.loaders import options
    from genga.loaders.framepack import files
    from genga.nodes import framepack, framepack_teacache
    from genga.samplers import framepack as loop
    from genga.samplers.windows import fingerprint

    path = models / "diffusion_models" / "FramePackI2V_HY_cache.safetensors"
    save_file(tiny.weights(), path)
    model = files.load(path, options.LoadOptions(), files.inspect(path)).model
    yield SimpleNamespace(comfy=comfy, atom=framepack.FramePackSection, node=framepack_teacache.FramePackTeaCache,
                          easy=nodes_easycache.EasyCacheNode, fingerprint=fingerprint, loop=loop, model=model)  # fmt: skip
    comfy.model_management.unload_all_models()
    path.unlink()


def sample(rooms, model, cfg=1.0, steps=STEPS):
    """One section by Euler."""
    given = tiny.inputs("section")
    text = [[given["text"], {"pooled_output": given["pooled"]}]]
    other = [[given["text"] * 0.5, {"pooled_output": given["pooled"]}]]
    start = {"samples": torch.randn(1, 16, 1, 4, 4, generator=torch.Generator().manual_seed(1))}
    positive, negative, empty, _ = rooms.atom.execute(text, other, start, "standard", 3, 0.0).args
    noise = torch.randn(empty["samples"].shape, generator=torch.Generator().manual_seed(2))
    sigmas = rooms.loop.noise_levels(model, steps, "framepack", (3, 4, 4))
    sampler = rooms.comfy.samplers.sampler_object("euler")
    return rooms.comfy.sample.sample_custom(
        model, noise, cfg, sampler, sigmas, positive, negative, empty["samples"], seed=2
    )


@pytest.fixture
def computed(rooms):
    """How often the last block has run."""
    count = []
    block = rooms.model.model.diffusion_model.single_blocks[-1]
    hook = block.register_forward_hook(lambda *_: count.append(1))
    yield count
    hook.remove()


def cached(rooms, threshold):
    return rooms.node.execute(rooms.model, threshold).args[0]


class Oracle:
    """TeaCache without leaving anything out: the network runs whole at every step, its inputs are looked at, and where
    the polynomial says so the last layer is given the first tokens and what an earlier step added."""

    def __init__(self, rooms, threshold):
        self.threshold, self.model, self.network = threshold, rooms.model.clone(), rooms.model.model.diffusion_model
        self.step, self.change, self.skipped, self.before, self.added = 0, 0.0, [], None, None
        kind = rooms.comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL
        self.model.add_wrapper_with_key(kind, "oracle", self.run)

    def run(self, executor, *args, **kwargs):
        block, seen = self.network.double_blocks[0], {}
        hooks = [
            block.img_norm1.register_forward_hook(lambda _m, args, out: seen.update(first=args[0].clone(), norm=out)),
            block.img_mod.register_forward_hook(lambda _m, _args, out: seen.update(mod=out[0])),
            self.network.final_layer.register_forward_pre_hook(lambda _m, args: self.last(seen, args)),
        ]
        try:
            return executor(*args, **kwargs)
        finally:
            for hook in hooks:
                hook.remove()

    def last(self, seen, args):
        tokens, *others = args
        first = seen["first"][:, -tokens.shape[1] :]
        modulated = (seen["norm"] * (1 + seen["mod"].scale) + seen["mod"].shift).double().numpy()
        skip = 0 < self.step < STEPS - 1
        if skip:
            self.change += np.polyval(POLYNOMIAL, np.abs(modulated - self.before).mean() / np.abs(self.before).mean())
            skip = self.change < self.threshold
        if not skip:
            self.change = 0.0
            self.added = tokens - first
        self.before, self.step = modulated, self.step + 1
        self.skipped.append(skip)
        return (first + self.added, *others)


@pytest.mark.parametrize("threshold", [0.15, 0.3])
def test_the_steps_are_left_out_that_the_polynomial_says(rooms, computed, threshold):
    oracle = Oracle(rooms, threshold)
    wanted = sample(rooms, oracle.model)
    assert len(oracle.skipped) == len(computed) == STEPS
    computed.clear()
    ours = sample(rooms, cached(rooms, threshold))
    assert 0 < sum(oracle.skipped) < STEPS - 2, "some are left out, and not all that may be"
    assert len(computed) == STEPS - sum(oracle.skipped)
    assert torch.allclose(ours, wanted, atol=1e-5)
    assert (ours - sample(rooms, rooms.model)).abs().max() > 1e-4


def test_threshold_0_is_the_plain_run_to_the_last_bit(rooms, computed):
    plain = sample(rooms, rooms.model)
    assert torch.equal(sample(rooms, cached(rooms, 0.0)), plain)
    assert len(computed) == 2 * STEPS
    assert torch.equal(sample(rooms, cached(rooms, 1e-6)), plain), "watched, and nothing left out"


def test_a_run_leaves_nothing_to_the_next(rooms, computed):
    model = cached(rooms, 0.15)
    first = sample(rooms, model)
    count = len(computed)
    assert torch.equal(sample(rooms, model), first) and len(computed) == 2 * count
    computed.clear()
    sample(rooms, rooms.model)
    assert len(computed) == STEPS, "the model itself is as it was"


def test_both_prompts_keep_their_own(rooms, computed):
    """CFG 3, where the host may predict both together or one after the other."""
    with_cache = sample(rooms, cached(rooms, 0.15), cfg=3.0)
    few = len(computed)
    computed.clear()
    plain = sample(rooms, rooms.model, cfg=3.0)
    assert few < len(computed) and not torch.equal(with_cache, plain)
    assert torch.isfinite(with_cache).all()


def test_few_steps_are_all_computed(rooms, computed):
    assert torch.equal(sample(rooms, cached(rooms, 1.0), steps=2), sample(rooms, rooms.model, steps=2))
    assert len(computed) == 4


def test_another_threshold_is_another_key_of_the_store(rooms):
    guiders = [
        rooms.comfy.samplers.CFGGuider(model) for model in (rooms.model, cached(rooms, 0.1), cached(rooms, 0.15))
    ]
    keys = [rooms.fingerprint.of_guider(guider) for guider in guiders]
    assert len(set(keys)) == 3
    sample(rooms, guiders[2].model_patcher)
    assert rooms.fingerprint.of_guider(guiders[2]) == keys[2]


def test_the_hosts_easycache_leaves_steps_out(rooms, computed):
    plain = sample(rooms, rooms.model)
    computed.clear()
    eased = sample(rooms, rooms.easy.execute(rooms.model, 0.5, 0.1, 0.95, False).args[0])
    assert 2 <= len(computed) < STEPS
    assert torch.isfinite(eased).all() and not torch.equal(eased, plain)
    computed.clear()
    assert torch.equal(sample(rooms, rooms.easy.execute(rooms.model, 0.0, 0.1, 0.95, False).args[0]), plain)
    assert len(computed) == STEPS


def test_what_it_does_not_suit_is_told(rooms, load_model, tiny):
    with pytest.raises(InputError, match="polynomial TeaCache uses"):
        rooms.node.execute(load_model(tiny.files.I2V_HIGH), 0.15)
    with pytest.raises(InputError, match="threshold: 2 is outside 0 to 1"):
        rooms.node.execute(rooms.model, 2)
