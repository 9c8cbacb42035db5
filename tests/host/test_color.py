"""Color Match as the host calls it."""

from __future__ import annotations

import pytest
import torch
from genga.errors import InputError


@pytest.fixture(scope="module")
def node(host):
    from genga.nodes.color import ColorMatch

    return ColorMatch


def frames(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 24, 32, 3, generator=torch.Generator().manual_seed(seed))


def said(output) -> str:
    return " ".join((output.ui or {}).get("text", ()))


def test_the_schema_bears_the_pinned_names(node):
    schema = node.GET_SCHEMA()
    assert schema.node_id == "GengaColorMatch"
    assert [item.id for item in schema.inputs][:4] == ["image", "reference", "method", "strength"]
    method = schema.inputs[2]
    assert method.default == "disabled"
    assert set(method.options) >= {"disabled", "mkl", "hm", "reinhard", "mvgd", "hm-mvgd-hm", "hm-mkl-hm"}


def test_disabled_and_strength_0_pass_the_frames_on(node):
    image = frames(2, 1)
    assert node.execute(image, frames(1, 2), "disabled", 1.0).args[0] is image
    output = node.execute(image, frames(1, 2), "mkl", 0.0)
    assert output.args[0] is image and "strength 0" in said(output)


@pytest.mark.parametrize("statistics", ["per_frame", "uniform", "target_frame"])
@pytest.mark.parametrize("method", ["mkl", "hm", "reinhard", "mvgd", "hm-mvgd-hm", "hm-mkl-hm", "mvgd-aligned"])
def test_every_method_with_every_statistics(node, method, statistics):
    image, reference = frames(3, 1) * 0.5, 0.4 + 0.5 * frames(1, 2)
    (matched,) = node.execute(image, reference, method, 1.0, statistics, -1).args
    assert matched.shape == image.shape and matched.min() >= 0 and matched.max() <= 1
    assert (matched.mean((0, 1, 2)) - reference.mean((0, 1, 2))).abs().max() < 0.05


def test_target_frame_fits_that_frame_and_changes_all_alike(node):
    image = torch.cat([0.2 + 0.2 * frames(1, 1), 0.3 + 0.2 * frames(1, 2)])
    reference = 0.4 + 0.2 * frames(1, 3)
    (matched,) = node.execute(image, reference, "mkl", 1.0, "target_frame", 1).args
    (alone,) = node.execute(image[1:], reference, "mkl", 1.0).args
    assert torch.allclose(matched[1:], alone, atol=1e-6)
    assert matched[0].mean() < matched[1].mean() - 0.05


def test_a_reference_of_another_number_is_said(node):
    output = node.execute(frames(2, 1), frames(3, 2), "mkl", 1.0)
    assert "3 pictures" in said(output)
    assert said(node.execute(frames(3, 1), frames(3, 2), "mkl", 1.0)) == ""


@pytest.mark.parametrize(
    "given, named",
    [
        ({"method": "wavelet"}, "method"),
        ({"strength": 1.5}, "strength"),
        ({"statistics": "median"}, "statistics"),
        ({"statistics": "target_frame", "target_index": 2}, "target_index"),
        ({"image": torch.rand(1, 4, 4, 4)}, "image"),
        ({"reference": torch.full((1, 4, 4, 3), float("nan"))}, "reference"),
        ({"method": "mvgd-aligned", "reference": torch.rand(1, 4, 4, 3)}, "reference"),
    ],
)
def test_bad_inputs_are_named(node, given, named):
    inputs = {"image": frames(2, 1), "reference": frames(1, 2), "method": "mkl", "strength": 1.0}
    with pytest.raises(InputError, match=f"^{named}: "):
        node.execute(**{**inputs, **given})
