"""What is to be reconstructed."""

import numpy as np
import pytest
import torch

import dpskit
from dpskit.experiments.targets import complex_targets, draw_sources, shape_targets, source_id

RUVAB = dpskit.load_example("ruvab").structure_path


@pytest.fixture
def shapes(tmp_path):
    """A packed file of four shapes that spans no cube, two of them chairs."""
    points = np.random.default_rng(0).uniform(-3, 5, (4, 60, 3)).astype(np.float16)
    category = np.array(["chair", "table", "chair", "table"])
    np.savez(tmp_path / "c.npz", points=points, name=np.array(list("abcd")), category=category)
    return tmp_path / "c.npz"


def test_shapes_stand_upright_unless_they_are_turned(shapes):
    upright = shape_targets(shapes, 40, seed=1, categories=["chair"])
    turned = shape_targets(shapes, 40, seed=1, categories=["chair"], turned=7)
    rotations = dpskit.random_rotations(2, 7, reflections=True)
    assert [t.name for t in upright] == ["a", "c"]
    for target, twin, rotation in zip(upright, turned, rotations, strict=True):
        whole = torch.cat([target.points, target.rest])
        assert float(whole.abs().max()) == pytest.approx(1.0, abs=1e-6)
        torch.testing.assert_close(twin.points, target.points @ rotation)
        torch.testing.assert_close(twin.draw(2), target.draw(2) @ rotation)


def test_other_points_of_a_shape_are_none_of_its_points(shapes, one_sentence):
    (target, *_) = shape_targets(shapes, 30, seed=1)
    assert len(target.draw(0)) == 30
    assert float(torch.cdist(target.draw(0), target.points).min()) > 0
    assert set(map(tuple, target.draw(0).tolist())) == set(map(tuple, target.draw(1).tolist()))  # 30 others: all
    (full, *_) = shape_targets(shapes, 60, seed=1)
    assert not full.has_others
    with one_sentence(ValueError, "targets", full.name):
        full.draw(0)


def test_several_categories_come_in_a_random_order_and_one_in_that_of_the_file(shapes, one_sentence):
    names = {"".join(t.name for t in shape_targets(shapes, 40, seed=s)) for s in range(8)}
    assert len(names) > 3 and all(sorted(name) == list("abcd") for name in names)
    with one_sentence(ValueError, "lamp"):
        shape_targets(shapes, 40, categories=["lamp"])


def test_structures_do_not_depend_on_the_list(tmp_path, one_sentence):
    other = tmp_path / "other.cif.gz"
    other.write_bytes(RUVAB.read_bytes())
    first, second = complex_targets([other, RUVAB], n_points=20)
    (alone,) = complex_targets([RUVAB], n_points=20)
    assert second.seed == alone.seed != first.seed
    torch.testing.assert_close(second.points, alone.points)
    assert not torch.allclose(first.points, second.points)
    assert len(alone.atoms) == 15_702
    nearest = torch.cdist(alone.posed_atoms[:500], alone.points).amin(dim=1)
    assert float(nearest.max()) * alone.scale < 60
    with one_sentence(FileNotFoundError, "missing.cif"):
        complex_targets([RUVAB, tmp_path / "missing.cif"])


def test_another_fit_of_a_structure_lies_in_its_pose():
    (target,) = complex_targets([RUVAB], n_points=20)
    other = target.draw(0)
    assert not torch.allclose(other, target.points)
    apart = dpskit.chamfer_distance(other[None], target.points)
    turned = dpskit.chamfer_distance(other[None] @ dpskit.random_rotations(1, 3)[0], target.points)
    assert float(apart) < 0.6 * float(turned)
    assert torch.equal(other, target.draw(0)) and not torch.allclose(other, target.draw(1))


def test_sources_are_drawn_without_repetition():
    names = [str(k) for k in range(20)]
    assert draw_sources(names, None) == names
    drawn = draw_sources(names, 12, seed=1)
    assert len(set(drawn)) == 12 and set(drawn) <= set(names) and drawn != draw_sources(names, 12, seed=2)
    with pytest.raises(ValueError, match="at most the number of structures, 20, got 21"):
        draw_sources(names, 21)
    assert [source_id(s) for s in ("7PBL", "data/6zu5.cif.gz")] == ["7pbl", "6zu5"]
