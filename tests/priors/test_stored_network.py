"""Weights files with something wrong in them: one sentence that names the file and what it is."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dpskit import load_prior
from dpskit.priors import store
from dpskit.priors.latents import LatentConfig
from dpskit.priors.networks import PRESETS, build
from dpskit.priors.transformer import TransformerConfig

SIZES = {
    "transformer": TransformerConfig(32, 1, 16),
    "latents": LatentConfig(
        latents=4, width=32, point_width=16, rounds=1, blocks=1, cross_width=16, head_width=16, latent_head_width=16
    ),
}


@pytest.fixture(params=SIZES)
def change(request, tmp_path):
    """change(weights, metadata) -> path: a complete file, changed by a function of both."""
    config = SIZES[request.param]
    path = tmp_path / "a.safetensors"
    store.save_prior(build(config).state_dict(), config, {"steps": 1}, path)
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    weights = load_file(path)

    def change(function=lambda weights, metadata: None):
        changed, about = dict(weights), dict(metadata)
        function(changed, about)
        save_file(changed, path, about)
        return path

    return change


def settings(metadata, **changes):
    metadata["network"] = json.dumps(json.loads(metadata["network"]) | changes)


def first(weights):
    return next(iter(weights))


FAULTS = {
    "missing": (lambda w, m: w.pop(first(w)), "lacks the tensor"),
    "NaN": (lambda w, m: w.update({first(w): w[first(w)] * float("nan")}), "NaN or infinity in the tensor"),
    "infinity": (lambda w, m: w.update({first(w): w[first(w)] / 0}), "NaN or infinity in the tensor"),
    "too many": (lambda w, m: w.update(other=torch.zeros(2)), "'other' that is none of its network"),
    "shape": (lambda w, m: w.update({first(w): torch.zeros(3, 1, 4)}), "of shape (3, 1, 4) instead of"),
    "integers": (lambda w, m: w.update({first(w): w[first(w)].to(torch.int8)}), "has int8 in the tensor"),
    "complex": (lambda w, m: w.update({first(w): w[first(w)].to(torch.complex64)}), "has complex64 in the tensor"),
    "bytes": (
        lambda w, m: w.update({first(w): w[first(w)].to(torch.float8_e4m3fn)}),
        "has float8_e4m3fn in the tensor",
    ),
    "card's defaults": (lambda w, m: m.update(card='{"defaults": 3}'), "defaults or settings are no JSON object"),
    "card's settings": (lambda w, m: m.update(card='{"settings": []}'), "defaults or settings are no JSON object"),
    "card's blur": (lambda w, m: m.update(card='{"defaults": {"blur": "x"}}'), "blur must be a finite number"),
    "card's cutoff": (lambda w, m: m.update(card='{"defaults": {"cutoff": NaN}}'), "cutoff must be a finite number"),
    "card's levels": (
        lambda w, m: m.update(card='{"defaults": {"jacobian": [1, 0]}}'),
        "jacobian must be two noise levels",
    ),
    "card's way up": (lambda w, m: m.update(card='{"settings": {"orientation": "up"}}'), "the orientation 'up'"),
    "no card": (lambda w, m: m.pop("card"), "has no card"),
    "no network": (lambda w, m: m.pop("network"), "has no network"),
    "no JSON": (lambda w, m: m.update(network="{'a'"), "a network in its header that is no JSON object"),
    "deep JSON": (lambda w, m: m.update(card="[" * 100_000), "a card in its header that is no JSON object"),
    "a list": (lambda w, m: m.update(network="[1]"), "no JSON object"),
    "unknown": (lambda w, m: settings(m, colour=3), "describes no network of this version"),
    "text": (lambda w, m: settings(m, width="wide"), "describes no network of this version"),
    "negative": (lambda w, m: settings(m, width=-32), "describes no network of this version"),
    "wide": (lambda w, m: settings(m, width=1 << 19), "instead of"),
    "huge": (lambda w, m: settings(m, width=10**12), "larger than its weights"),
    "deep": (
        lambda w, m: settings(m, layers=10**6) if "layers" in m["network"] else settings(m, rounds=10**6),
        "larger",
    ),
    "no format": (lambda w, m: m.pop("format"), "saved by dpskit"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_sentence_names_the_file_and_the_fault(change, one_sentence, fault):
    function, words = FAULTS[fault]
    path = change(function)
    with one_sentence(ValueError, "prior must be", str(path), words):
        load_prior(path)


def test_the_unchanged_file_is_read(change):
    assert load_prior(change()).card == {"steps": 1}


@pytest.mark.parametrize("preset", PRESETS)
def test_networks_can_be_described_without_memory(preset):
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in build(PRESETS[preset]).state_dict().items()}
    assert len(shapes) > 20


@pytest.mark.parametrize("bad", [None, 7, ["chairs"], torch.zeros(3)])
def test_what_is_no_name(one_sentence, bad):
    with one_sentence(TypeError, "prior must be a shipped name", type(bad).__name__):
        load_prior(bad)
