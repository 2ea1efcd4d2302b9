import copy
import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from dpskit import DiffusionPrior, load_prior
from dpskit.pose.templates import make_templates
from dpskit.priors import store
from dpskit.priors.transformer import PointTransformer, TransformerConfig

SIZE = TransformerConfig(32, 1, 16)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    network = PointTransformer(SIZE)
    torch.nn.init.normal_(network.output.weight)
    return network


@pytest.fixture
def path(network, tmp_path):
    path = tmp_path / "mine.safetensors"
    store.save_prior(network.state_dict(), SIZE, {"steps": 12, "data": "chairs.npz"}, path)
    return path


def test_round_trip(network, path, normal):
    prior = load_prior(path)
    x, t = normal(2, 7, 3), torch.tensor([0.1, 3.0])
    assert prior.name == "mine"
    assert prior.card == {"steps": 12, "data": "chairs.npz"}
    assert prior.network.config == SIZE
    rounded = DiffusionPrior(copy.deepcopy(network).half().float())
    assert torch.equal(prior.denoise(x, t), rounded.denoise(x, t))
    assert load_prior(str(path)).card == prior.card
    assert list(path.parent.iterdir()) == [path]


def test_a_loaded_prior_is_frozen_but_differentiable_in_x(path, normal):
    prior = load_prior(path)
    assert not prior.network.training
    assert not any(weight.requires_grad for weight in prior.network.parameters())
    x = normal(1, 4, 3).requires_grad_()
    prior.denoise(x, torch.tensor([0.5])).sum().backward()
    assert float(x.grad.abs().min()) > 0


def test_templates_travel_with_the_weights(network, path, tmp_path, normal):
    templates = make_templates(normal(5, 30, 3) / 3, n_templates=3)
    with_them = tmp_path / "upright.safetensors"
    store.save_prior(network.state_dict(), SIZE, {}, with_them, shard_size=20_000, templates=templates)
    prior = load_prior(with_them)
    assert torch.equal(prior.templates.density, templates.density)
    assert torch.equal(prior.templates.weight, templates.weight)
    assert prior.to("cpu").templates is prior.templates
    x, t = normal(1, 4, 3), torch.tensor([0.5])
    assert torch.equal(prior.denoise(x, t), load_prior(path).denoise(x, t))
    assert load_prior(path).templates is None


def test_broken_templates(one_sentence, network, tmp_path):
    path = tmp_path / "a.safetensors"
    whole = {"templates.density": torch.ones(2, 3, 3, 3, dtype=torch.uint8), "templates.weight": torch.ones(2) / 2}
    metadata = {"format": store.FORMAT, "network": json.dumps(asdict(SIZE)), "card": "{}"}
    for broken, word in [
        ({"templates.weight": torch.ones(3)}, "weight"),
        ({"templates.weight": torch.tensor([0.5, float("nan")])}, "weight"),
        ({"templates.density": torch.ones(2, 3, 3, 4, dtype=torch.uint8)}, "density"),
        ({"templates.density": torch.ones(2, 3, 3, 3)}, "density"),
        ({"templates.density": torch.zeros(2, 3, 3, 3, dtype=torch.uint8)}, "vanish"),
    ]:
        save_file({**network.state_dict(), **whole, **broken}, path, metadata)
        with one_sentence(ValueError, "prior must be", path, "templates", word):
            load_prior(path)
    save_file({**network.state_dict(), "templates.weight": torch.ones(1)}, path, metadata)
    with one_sentence(ValueError, "prior must be", path, "templates", "density"):
        load_prior(path)


def test_half_precision_weights_are_read_as_single(network, tmp_path, normal):
    path = tmp_path / "half.safetensors"
    store.save_prior({k: v.half() for k, v in network.state_dict().items()}, SIZE, {}, path)
    prior = load_prior(path)
    x, t = normal(1, 5, 3), torch.tensor([0.3])
    assert prior.denoise(x, t).dtype == torch.float32
    assert torch.allclose(prior.denoise(x, t), DiffusionPrior(network).denoise(x, t), atol=2e-2)


def test_networks_are_single_precision_whatever_the_default_of_torch(path, normal):
    prior, x, t = load_prior(path), normal(1, 5, 3), torch.tensor([0.3])
    try:
        torch.set_default_dtype(torch.float64)
        same = load_prior(path).denoise(x, t)
    finally:
        torch.set_default_dtype(torch.float32)
    assert same.dtype == torch.float32 and torch.allclose(same, prior.denoise(x, t), atol=1e-6)


def test_shipped_names(network, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    assert store.list_priors() == []
    for name in ["zebras", "apples"]:
        store.save_prior(network.state_dict(), SIZE, {"name": name}, tmp_path / f"{name}.safetensors")
    assert store.list_priors() == ["apples", "zebras"]
    assert load_prior("zebras").card == {"name": "zebras"}
    assert load_prior("zebras").name == "zebras"


def test_unknown_name(one_sentence, network, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    with one_sentence(ValueError, "prior must be", "'dragons'"):
        load_prior("dragons")
    store.save_prior(network.state_dict(), SIZE, {}, tmp_path / "apples.safetensors")
    with one_sentence(ValueError, "prior must be", "'dragons'", "apples"):
        load_prior("dragons")


def test_missing_path(one_sentence, tmp_path):
    with one_sentence(FileNotFoundError, "prior must be", tmp_path / "none.safetensors"):
        load_prior(tmp_path / "none.safetensors")


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.02, 0.5, 0.999])
def test_truncated_file(one_sentence, path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with one_sentence(ValueError, "prior must be", "complete", path):
        load_prior(path)


def test_foreign_files(one_sentence, tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with one_sentence(ValueError, "prior must be", "saved by dpskit", path):
        load_prior(path)
    path.write_text("not a safetensors file at all")
    with one_sentence(ValueError, "prior must be", path):
        load_prior(path)


def test_a_failed_write_leaves_the_old_prior(network, path, monkeypatch):
    old = path.read_bytes()

    def full(tensors, file, metadata):
        file.write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="no space"):
        store.save_prior(network.state_dict(), SIZE, {}, path)
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]
