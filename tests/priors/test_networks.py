"""What holds for networks of every kind."""

import itertools
import json
from dataclasses import asdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_networks import SMALL, filled

from dpskit.priors.latents import LatentNetwork
from dpskit.priors.networks import PRESETS, build, network_from_dict
from dpskit.priors.transformer import PointTransformer, TransformerConfig


@pytest.fixture(scope="module", params=sorted(SMALL))
def network(request):
    return filled(SMALL[request.param])


@given(st.integers(1, 40), st.integers(0, 1000))
def test_permutation_equivariance_for_any_number_of_points(network, normal, n, seed):
    x, t = normal(2, n, 3, seed=seed), torch.tensor([0.05, 2.0])
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    out = network(x, t)
    assert out.shape == (2, n, 3)
    assert torch.allclose(network(x[:, order], t), out[:, order], atol=1e-4)


def test_points_see_each_other_but_clouds_do_not(network, normal):
    x, t = normal(2, 6, 3), torch.tensor([0.3, 0.3])
    moved = x.clone()
    moved[0, 5] += 1
    difference = (network(moved, t) - network(x, t)).abs().amax(dim=2)
    assert bool((difference[0] > 1e-5).all())
    assert float(difference[1].max()) < 1e-6


def test_the_noise_level_matters(network, normal):
    x = normal(1, 6, 3)
    outputs = [network(x, torch.tensor([t])) for t in [0.01, 0.012, 0.1, 1.0, 80.0]]
    for a, b in itertools.pairwise(outputs):
        assert float((a - b).abs().max()) > 1e-3


def test_coordinates_keep_their_digits_under_autocast(network, normal):
    """bfloat16 tells 1 from 1.008 at best; the layer that reads the coordinates stays in single precision."""
    seen = []
    hook = network.input.register_forward_hook(lambda module, inputs, output: seen.append(output))
    x = normal(1, 4, 3)
    network(x, torch.ones(1))
    with torch.autocast("cpu", torch.bfloat16):
        network(x, torch.ones(1))
    hook.remove()
    assert seen[1].dtype == torch.float32 and torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_output_starts_at_zero(kind, normal):
    assert torch.equal(build(SMALL[kind])(normal(2, 5, 3), torch.ones(2)), torch.zeros(2, 5, 3))


def test_equal_points_get_equal_outputs(network, normal):
    out = network(normal(1, 3, 3).repeat_interleave(2, dim=1), torch.ones(1))
    assert torch.allclose(out[:, ::2], out[:, 1::2], atol=1e-5)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_settings_survive_a_round_trip(preset):
    assert network_from_dict(json.loads(json.dumps(asdict(PRESETS[preset])))) == PRESETS[preset]


def test_presets():
    assert PRESETS["paper"] == TransformerConfig(512, 24)  # Moebius and Habeck, A.2
    kinds = {"shapes": (LatentNetwork, 8.4), "complexes": (LatentNetwork, 8.4), "paper": (PointTransformer, 76)}
    for preset, (kind, millions) in kinds.items():
        with torch.device("meta"):
            network = build(PRESETS[preset])
        assert isinstance(network, kind)
        assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.03)
