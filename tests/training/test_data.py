import math

import numpy as np
import pytest
import torch

from dpskit.training.data import load_clouds, record_data


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


def some_clouds(count, m=20, seed=0):
    return np.random.default_rng(seed).normal(size=(count, m, 3)).astype(np.float32) * 7 + 100


def match(clouds, original):
    """For each cloud, the index of the original that it is, up to its frame."""
    low, high = original.min(axis=1, keepdims=True), original.max(axis=1, keepdims=True)
    cube = (original - (low + high) / 2) / ((high - low).max(axis=2, keepdims=True) / 2)
    difference = np.abs(clouds.float().numpy()[:, None] - cube[None]).max(axis=(2, 3))
    assert difference.min(axis=1).max() < 2e-3  # half precision
    return difference.argmin(axis=1)


def test_clouds_are_normalised_and_split(tmp_path):
    original = some_clouds(20)
    training, held_out = load_clouds(write(tmp_path / "a.npz", points=original), held_out=5)
    assert training.points.shape == (15, 20, 3) and held_out.points.shape == (5, 20, 3)
    mine, test = match(training.points, original), match(held_out.points, original)
    assert sorted([*mine, *test]) == list(range(20))
    assert np.diff(test).min() >= 3 and test[0] == 0 and test[-1] == 19  # spread evenly
    for clouds in (training, held_out):
        assert float(clouds.points.abs().max()) == 1
        assert torch.allclose(clouds.probability, torch.full((len(clouds.points),), 1 / len(clouds.points)))
    again, _ = load_clouds(str(tmp_path / "a.npz"), held_out=5)
    assert torch.equal(again.points, training.points)


@pytest.mark.parametrize(("own", "extra", "share"), [(20, 60, 0.25), (57, 3, 3 / 50)])
def test_redundant_clouds_are_drawn_at_most_a_quarter_of_the_time(tmp_path, own, extra, share):
    original = some_clouds(own + extra)
    original[own:, :, 2] = 0  # the redundant ones are flat
    redundant = np.arange(own + extra) >= own
    training, held_out = load_clouds(write(tmp_path / "a.npz", points=original, redundant=redundant), held_out=10)
    assert len(training.points) == own + extra - 10
    assert bool((held_out.points[..., 2].abs().amax(dim=1) > 0).all())  # none of them is held out
    assert float(training.probability.sum()) == pytest.approx(1)

    drawn = training.draw(4000, 20, torch.Generator().manual_seed(1))
    flat = torch.linalg.svdvals(drawn - drawn.mean(dim=1, keepdim=True))[:, 2] < 1e-2
    z = (int(flat.sum()) - 4000 * share) / math.sqrt(4000 * share * (1 - share))
    assert abs(z) < 4


@pytest.fixture
def clouds(tmp_path):
    return load_clouds(write(tmp_path / "a.npz", points=some_clouds(12)), held_out=2)[0]


def test_a_draw_depends_on_the_generator_alone(clouds):
    one, again, other = (clouds.draw(6, 8, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert one.shape == (6, 8, 3) and one.dtype == torch.float32
    assert torch.equal(one, again)
    assert not torch.isclose(one, other).all(dim=2).any()


def test_a_draw_is_a_subset_of_a_cloud_without_repeats(clouds):
    drawn = clouds.draw(40, 8, torch.Generator().manual_seed(3))
    for cloud in drawn:
        distance = (cloud[:, None] - clouds.points.float()[:, None]).norm(dim=3)
        source = int(distance.amin(dim=2).amax(dim=1).argmin())
        assert float(distance[source].amin(dim=1).max()) == 0
        assert len(distance[source].argmin(dim=1).unique()) == 8


def test_clouds_are_drawn_by_their_weight(tmp_path):
    original, weight = some_clouds(20), np.arange(20)
    training, _ = load_clouds(write(tmp_path / "a.npz", points=original, weight=weight), held_out=2)
    order = match(training.points, original)
    expected = weight[order] / weight[order].sum()
    assert np.allclose(training.probability.numpy(), expected, atol=1e-6)
    with pytest.raises(ValueError, match="weight of data"):
        load_clouds(write(tmp_path / "b.npz", points=original, weight=-weight), held_out=2)


def test_the_record_of_the_data_follows_names_and_points(tmp_path):
    points = some_clouds(4)
    one = record_data(write(tmp_path / "a.npz", points=points, name=np.array(["a", "b", "c", "d"])))
    assert one.names == ("a", "b", "c", "d") and len(one.sha256) == 64
    assert record_data(write(tmp_path / "b.npz", points=points, name=np.array(["a", "b", "c", "d"]))) == one
    renamed = record_data(write(tmp_path / "c.npz", points=points, name=np.array(["a", "b", "c", "e"])))
    points[2, 3, 1] += 1
    moved = record_data(write(tmp_path / "d.npz", points=points, name=np.array(["a", "b", "c", "d"])))
    assert len({one.sha256, renamed.sha256, moved.sha256}) == 3
    split = np.array(["train", "test", "train", "test"])
    assert record_data(write(tmp_path / "e.npz", points=points, name=np.array(list("abcd")), split=split)).names == (
        "a",
        "c",
    )


def test_asking_for_more_points_than_there_are_gives_all(clouds):
    assert clouds.draw(3, 500, torch.Generator().manual_seed(0)).shape == (3, 20, 3)


def test_clouds_of_too_few_points(one_sentence, tmp_path):
    path = write(tmp_path / "a.npz", points=some_clouds(10))
    assert load_clouds(path, 2, n_points=20)[0].points.shape == (8, 20, 3)
    with one_sentence(ValueError, "data", "at least the 21 points", "clouds of 20"):
        load_clouds(path, 2, n_points=21)


def test_missing_file(one_sentence, tmp_path):
    with one_sentence(FileNotFoundError, "data", tmp_path / "none.npz"):
        load_clouds(tmp_path / "none.npz", 2)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.95])
def test_truncated_file(one_sentence, tmp_path, keep):
    path = write(tmp_path / "a.npz", points=some_clouds(10))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with one_sentence(ValueError, "data", path):
        load_clouds(path, 2)


def with_nan():
    points = some_clouds(10)
    points[3, 4, 1] = np.nan
    return points


@pytest.mark.parametrize(
    ("arrays", "error", "words"),
    [
        ({"clouds": some_clouds(10)}, ValueError, ["data", "'points'"]),
        ({"points": with_nan()}, ValueError, ["points of data", "NaN", "1 of 200"]),
        ({"points": some_clouds(10)[:, :, :2]}, ValueError, ["points of data", "(10, 20, 2)"]),
        ({"points": some_clouds(10)[0]}, ValueError, ["points of data", "(20, 3)"]),
        ({"points": some_clouds(10)[:0]}, ValueError, ["points of data", "(0, 20, 3)"]),
        ({"points": np.full((10, 5, 3), "a")}, TypeError, ["points of data", "real numbers"]),
        ({"points": np.ones((10, 5, 3))}, ValueError, ["points", "5 equal points"]),
        ({"points": some_clouds(7)}, ValueError, ["data", "at least 8", "hold out 4", "7"]),
        ({"points": some_clouds(10), "redundant": np.arange(10) > 5}, ValueError, ["data", "at least 8", "6"]),
        ({"points": some_clouds(10), "redundant": np.zeros(9, bool)}, ValueError, ["redundant of data", "(9,)"]),
        ({"points": np.array([{}], dtype=object)}, ValueError, ["data"]),
    ],
)
def test_bad_data(one_sentence, tmp_path, arrays, error, words):
    with one_sentence(error, *words):
        load_clouds(write(tmp_path / "a.npz", **arrays), held_out=4)


def test_other_formats(one_sentence, tmp_path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, some_clouds(10))
    with one_sentence(ValueError, "data", path):
        load_clouds(path, 2)
    path.write_text("points")
    with one_sentence(ValueError, "data", path):
        load_clouds(path, 2)


def test_only_the_training_split_is_used(tmp_path):
    original = some_clouds(20)
    split = np.where(np.arange(20) % 2 == 0, "train", "test")
    training, held_out = load_clouds(write(tmp_path / "a.npz", points=original, split=split), held_out=3)
    assert sorted([*match(training.points, original), *match(held_out.points, original)]) == list(range(0, 20, 2))
    both, _ = load_clouds(write(tmp_path / "b.npz", points=original, split=np.full(20, "val")), held_out=3)
    assert len(both.points) == 17  # no clouds are marked: all are for training


def test_repeated_rows_are_drawn_last(tmp_path):
    original = some_clouds(8, m=12)
    original[:, 6:] = original[:, :6]
    path = write(tmp_path / "a.npz", points=original, size=np.full(8, 6))
    drawn = load_clouds(path, held_out=2)[0].draw(50, 6, torch.Generator().manual_seed(0))
    assert float((torch.cdist(drawn, drawn) + torch.eye(6)).amin()) > 1e-3  # all six distinct points, each time
    assert load_clouds(path, held_out=2)[0].draw(5, 9, torch.Generator().manual_seed(0)).shape == (5, 9, 3)


def test_clouds_of_one_name_are_held_out_together(tmp_path):
    original, names = some_clouds(12), np.array(["a", "b", "c", "d", "e", "f"] * 2)
    training, held_out = load_clouds(write(tmp_path / "a.npz", points=original, name=names), held_out=3)
    rows = match(held_out.points, original)
    assert len(rows) == 3 and rows.max() < 6  # the first of each
    assert sorted(match(training.points, original) % 6) == sorted(2 * list(set(range(6)) - set(rows.tolist())))
    two = np.array(["x"] * 6 + ["y"] * 6)  # the same names in two categories are not the same object
    training, held_out = load_clouds(write(tmp_path / "b.npz", points=original, name=names, category=two), held_out=3)
    assert len(training.points) == 9
    with pytest.raises(ValueError, match="at least 8 objects to hold out 4, got 6"):
        load_clouds(tmp_path / "a.npz", held_out=4)
