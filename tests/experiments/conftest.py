"""What the modules of this folder share."""

import pytest

import dpskit
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.structures import read_structure
from dpskit.experiments.known_structure import simulate


@pytest.fixture(scope="session")
def seen():
    """Structure, observations and points of RuvAB: two projections, a coarse structure and the chains of two RuvB."""
    structure = read_structure(dpskit.load_example("ruvab").structure_path)
    model = coarse_grain(structure.atoms, n_points=64)
    subunit = structure.chain_points(model.frame.to_physical(model.points), ["A", "B"])
    return structure, simulate(model, n_views=2, n_points=40, coarse_points=10, subunit=subunit), model
