import torch

from dpskit.priors.latents import LatentConfig, LatentNetwork
from dpskit.priors.transformer import PointTransformer, TransformerConfig
from dpskit.training.optimizer import make_optimizers

SMALL = LatentConfig(latents=5, width=32, point_width=16, rounds=2, blocks=1, cross_width=32, head_width=16,
                     latent_head_width=16, octaves=3)  # fmt: skip


def weights(optimizer):
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def test_every_weight_has_one_optimizer():
    for network in (LatentNetwork(SMALL), PointTransformer(TransformerConfig(32, 2, 32))):
        adam, muon = make_optimizers(network, 0.01, 1e-3, 0.0)
        taken = [id(weight) for optimizer in (adam, muon) for weight in weights(optimizer)]
        assert sorted(taken) == sorted(id(weight) for weight in network.parameters())
        assert all(weight.ndim == 2 for weight in weights(muon))
        assert [group["peak"] for group in adam.param_groups] == [1e-3]
        assert [group["peak"] for group in muon.param_groups] == [0.01]


def test_what_muon_takes():
    network = LatentNetwork(SMALL)
    names = {id(weight): name for name, weight in network.named_parameters()}
    taken = {names[id(weight)] for weight in weights(make_optimizers(network, 0.01, 1e-3, 0.0)[1])}
    assert "rounds.0.read.kv.weight" in taken and "rounds.1.blocks.0.mlp.2.weight" in taken
    for name in ("latents", "input.weight", "output.weight", "time.0.weight", "rounds.0.norm.affine.weight"):
        assert name not in taken


def test_without_muon_adam_takes_all():
    network = LatentNetwork(SMALL)
    (adam,) = make_optimizers(network, 0.0, 1e-3, 0.0)
    assert len(weights(adam)) == len(list(network.parameters()))


def test_a_step_of_muon_is_orthogonal_and_of_the_size_of_adams():
    """Whatever the gradient's length, all its directions move alike, by 0.2 sqrt(larger side) times the rate."""
    network = LatentNetwork(SMALL)
    muon = make_optimizers(network, 0.01, 1e-3, 0.0)[1]
    weight = network.rounds[0].blocks[0].mlp[0].weight  # 128 x 32
    before = weight.detach().clone()
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)) * 1e3
    muon.step()
    values = torch.linalg.svdvals(weight.detach() - before) / (0.01 * 0.2 * 128**0.5)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.3
