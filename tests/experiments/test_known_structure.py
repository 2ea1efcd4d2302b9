from dataclasses import replace

import pytest
import torch

import dpskit
from dpskit.experiments.known_structure import deviation
from dpskit.experiments.reconstruction import Reconstruction

EXACT = "donot_use_mm_for_euclid_dist"


def test_simulated_observations_are_of_the_structure(seen):
    structure, data, model = seen
    truth = model.frame.to_physical(model.points)
    assert [y.shape for y in data.projections] == [(40, 2)] * 2 and data.coarse.shape == (10, 3)
    torch.testing.assert_close(data.subunit, structure.chain_points(truth, ["A", "B"]), atol=1e-3, rtol=0)
    assert 0 < len(data.subunit) < 64
    for y, rotation in zip(data.projections, data.rotations, strict=True):
        assert float(torch.cdist(y, truth @ rotation[:, :2], compute_mode=EXACT).amin(dim=1).max()) < 1e-2


def test_the_true_points_have_no_deviation(seen):
    structure, _, model = seen
    samples = dpskit.Samples(1.2 * model.points[None] + 0.1, None, {}, 0, "0")
    found = deviation(Reconstruction(samples, model.frame), model, structure.atoms)
    assert found.to_points[0] < 0.2
    assert found.to_atoms[0] == pytest.approx(found.floor, rel=1e-2)
    assert "RMSD" in str(found) and f"floor {found.floor:.2f}" in str(found) and "±" not in str(found)
    assert str(replace(found, to_atoms=[1.0, 2.0])).endswith(f"1.50 ± 0.50 to the atoms (floor {found.floor:.2f})")
