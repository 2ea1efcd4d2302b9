import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import chamfer_distance, coverage, earth_movers_distance, minimum_matching_distance, one_nna
from dpskit.evaluation.sets import coverage_from, distance_matrix, mmd_from, one_nna_from, set_metrics

seeds = st.integers(0, 10_000)
sizes = st.integers(1, 7)
distances = st.sampled_from([chamfer_distance, earth_movers_distance])


def some(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loops(samples, reference, distance):
    """1-NNA, COV and MMD by their definitions, without ties."""
    d = lambda a, b: float(distance(a, b)[0])  # noqa: E731
    right = []
    for own, other in ((samples, reference), (reference, samples)):
        hits = 0
        for k, cloud in enumerate(own):
            rivals = [(d(cloud, c), 1) for i, c in enumerate(own) if i != k] + [(d(cloud, c), 0) for c in other]
            hits += min(rivals)[1]
        right.append(hits / len(own))
    nearest = {min(range(len(reference)), key=lambda j: d(cloud, reference[j])) for cloud in samples}
    matching = [min(d(cloud, c) for cloud in samples) for c in reference]
    return sum(right) / 2, len(nearest) / len(reference), sum(matching) / len(matching)


@given(seeds, sizes, sizes, st.integers(1, 5), distances)
def test_against_loops(seed, k, m, n, distance):
    samples, reference = some(seed, k, n, 3), some(seed + 1, m, n, 3)
    found = one_nna(samples, reference, distance), coverage(samples, reference, distance)
    found = (*found, minimum_matching_distance(samples, reference, distance))
    assert found == pytest.approx(by_loops(samples, reference, distance), abs=1e-12)
    assert 0 <= found[0] <= 1 and 0 < found[1] <= 1
    together = set_metrics(samples, reference, distance, within=distance_matrix(reference, None, distance))
    assert (together.one_nna, together.coverage, together.mmd) == found


def test_one_nna_of_sets_of_the_same_size_is_the_share_of_all_that_are_told_apart():
    samples, reference = some(0, 6, 4, 3), some(1, 6, 4, 3)
    both = torch.cat([samples, reference])
    table = distance_matrix(both).fill_diagonal_(math.inf)
    own = (table.argmin(dim=1) < 6) == (torch.arange(12) < 6)
    assert one_nna(samples, reference) == pytest.approx(float(own.double().mean()))


def test_by_hand():
    """Clouds of one point, on a line: their Chamfer distance is twice that of the points."""
    samples = [torch.tensor([[x, 0.0, 0.0]]) for x in (0.0, 1.0, 10.0)]
    reference = [torch.tensor([[x, 0.0, 0.0]]) for x in (3.0, 10.5, 20.0)]
    # Samples: 0 and 1 are each other's nearest, 10 is next to 10.5. References: 3 is nearest to 1, 10.5 to 10, 20 to
    # 10.5, the only one told apart.
    assert one_nna(samples, reference) == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert coverage(samples, reference) == pytest.approx(2 / 3)
    assert minimum_matching_distance(samples, reference) == pytest.approx(2 * (2 + 0.5 + 10) / 3)
    # EMD is half of it for single points.
    assert minimum_matching_distance(samples, reference, earth_movers_distance) == pytest.approx((2 + 0.5 + 10) / 3)


@given(seeds, distances)
def test_order_does_not_matter(seed, distance):
    samples, reference = some(seed, 5, 6, 3), some(seed + 1, 4, 6, 3)
    reference = torch.cat([reference, reference[:1], samples[:1]])  # with ties
    generator = torch.Generator().manual_seed(seed)
    rows, columns, points = (torch.randperm(k, generator=generator) for k in (5, 6, 6))
    before = set_metrics(samples, reference, distance)
    after = set_metrics(samples[rows][:, points], reference[columns], distance)
    assert (after.one_nna, after.coverage) == (before.one_nna, before.coverage)
    assert after.mmd == pytest.approx(before.mmd, abs=1e-12)


@given(seeds, st.integers(2, 6))
def test_copies(seed, k):
    """Samples that are the references: every one has a twin in the other set only, so none is told apart."""
    clouds = some(seed, k, 5, 3)
    assert one_nna(clouds, clouds) == 0
    assert coverage(clouds, clouds) == 1
    assert minimum_matching_distance(clouds, clouds) == 0
    # Everything alike: k - 1 of the 2k - 1 others are of the own set.
    same = clouds[:1].expand(k, -1, -1)
    assert one_nna(same, same) == pytest.approx((k - 1) / (2 * k - 1))
    assert coverage(same, same) == 1


def test_collapsed_samples():
    reference = some(0, 8, 5, 3)
    samples = reference[:1] + 1e-3 * some(1, 8, 5, 3)
    assert coverage(samples, reference) == pytest.approx(1 / 8)


def test_far_apart():
    samples, reference = some(0, 6, 5, 3), 100 + some(1, 7, 5, 3)
    assert one_nna(samples, reference) == 1
    assert minimum_matching_distance(samples, reference) == pytest.approx(200 * math.sqrt(3), rel=0.05)


def test_one_nna_of_one_distribution_is_near_a_half():
    """Mean over 60 repetitions with k = 12 against (k - 1) / (2k - 1); its error from the repetitions themselves."""
    k, values = 12, []
    for repetition in range(60):
        stretch = 0.5 + 0.5 * some(2 * repetition, 2 * k, 1, 3).abs()  # clouds differ in shape, not only in noise
        clouds = stretch * some(2 * repetition + 1, 2 * k, 24, 3)
        values.append(one_nna(clouds[:k], clouds[k:]))
    values = torch.tensor(values)
    z = (values.mean() - (k - 1) / (2 * k - 1)) / (values.std() / math.sqrt(len(values)))
    assert abs(float(z)) < 3.5
    assert float(values.std()) < 0.15


def test_clouds_of_different_sizes():
    samples = [some(0, 5, 3), some(1, 9, 3), some(2, 9, 3)]
    reference = [some(3, 4, 3), some(4, 9, 3)]
    table = distance_matrix(samples, reference)
    for i, a in enumerate(samples):
        for j, b in enumerate(reference):
            assert float(table[i, j]) == pytest.approx(float(chamfer_distance(a, b)))
    by_tables = distance_matrix(samples, reference, lambda a, b: chamfer_distance(a, b))
    assert torch.allclose(by_tables, table)


@given(seeds, st.integers(1, 20), st.integers(1, 3))
def test_the_table_does_not_depend_on_how_it_is_made(seed, count, n):
    clouds = some(seed, count, n, 3)
    full = distance_matrix(clouds, clouds)
    assert torch.allclose(full, chamfer_distance(*(c.reshape(-1, n, 3) for c in torch.broadcast_tensors(
        clouds[:, None], clouds[None]))).reshape(count, count))  # fmt: skip
    assert torch.allclose(distance_matrix(clouds), full, atol=1e-12)
    assert torch.allclose(distance_matrix(clouds, None, lambda a, b: chamfer_distance(a, b)), full, atol=1e-12)


def test_metrics_from_tables():
    across = torch.tensor([[1.0, 2.0, 5.0], [1.0 + 1e-9, 1.0, 7.0]])
    assert coverage_from(across) == pytest.approx(2 / 3)  # the second sample is as near to both
    assert mmd_from(across) == pytest.approx((1 + 1 + 5) / 3)
    within = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    # Samples: the first is as near to the other sample as to reference 0: a half; the second to one own and two others.
    # References: 0 has two others at 1, nothing own nearer; 1 has one other at 1; 2's nearest is the sample at 5.
    references = torch.tensor([[0.0, 9.0, 9.0], [9.0, 0.0, 5.0], [9.0, 5.0, 0.0]])
    expected = ((1 / 2 + 1 / 3) / 2 + (0 + 0 + 1 / 2) / 3) / 2
    assert one_nna_from(within, references, across) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [one_nna, coverage, minimum_matching_distance])
@pytest.mark.parametrize(
    ("samples", "error", "words"),
    [
        (torch.zeros(3, 4, 2), ValueError, ["(3, 4, 2)"]),
        (torch.zeros(0, 4, 3), ValueError, ["(0, 4, 3)"]),
        ([], ValueError, ["at least one"]),
        ([torch.zeros(4, 3), torch.full((4, 3), math.nan)], ValueError, ["[1]", "NaN"]),
        ("clouds", TypeError, ["str"]),
    ],
)
def test_bad_input(one_sentence, metric, samples, error, words):
    with one_sentence(error, *words):
        metric(samples, torch.zeros(2, 4, 3))


def test_emd_needs_equal_sizes(one_sentence):
    with one_sentence(ValueError, "equally many points", "4", "5"):
        coverage(torch.zeros(2, 4, 3), torch.zeros(2, 5, 3), earth_movers_distance)


def test_clouds_with_a_gradient(normal):
    a, b = normal(3, 6, 3), normal(4, 6, 3, seed=1)
    assert one_nna(a.clone().requires_grad_(), b.clone().requires_grad_()) == one_nna(a, b)
