"""Tiny models loaded once by the host's own loaders, for all tests in the host's process."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _inference():
    """As the host's executor runs nodes."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def models(host, tiny):
    return tiny.folder(host.base)


@pytest.fixture(scope="session")
def vae(models, tiny):
    import nodes

    return nodes.VAELoader().load_vae(tiny.files.VAE)[0]


@pytest.fixture(scope="session")
def load_model(models):
    """``load_model(file name)`` -> a fresh MODEL from the host's own UNETLoader."""
    import nodes

    return lambda name: nodes.UNETLoader().load_unet(name, "default")[0]


@pytest.fixture(scope="session")
def prompts():
    """positive, negative: random embeddings of the true shape."""
    generator = torch.Generator().manual_seed(0)
    return tuple([[torch.randn(1, 8, 4096, generator=generator) * 0.1, {}]] for _ in range(2))


@pytest.fixture(scope="session")
def pictures():
    """Random RGB pictures of several shapes; repeatable."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(32, 32), (90, 70), (33, 120), (32, 32), (48, 64), (32, 32)]
    return [torch.rand(1, *shape, 3, generator=generator) for shape in shapes]
