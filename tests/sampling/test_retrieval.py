import torch

from dpskit import CoarseGrained, Joint, Projections, Subunit, random_rotations
from dpskit.sampling.retrieval import nearest_training_cloud


def test_the_nearest_training_cloud_is_found_with_its_orientation(normal):
    """One of the training clouds is the target: a long one among round ones, turned in space."""
    clouds = normal(6, 90, 3)
    clouds[4] *= torch.tensor([3.0, 0.3, 0.1])
    target = clouds[4] @ random_rotations(1, seed=3)[0]
    data = Projections.observe(target, 3, 60, seed=1)
    found = nearest_training_cloud(data, clouds, n_samples=2, n_points=90, n_rotations=60, progress=False)
    assert found.points.shape == (2, 90, 3)
    assert float(found.energy[0]) <= float(found.energy[1])
    assert torch.allclose(found.energy, data.energy(found.points))
    singular = torch.linalg.svdvals(found.points[0] - found.points[0].mean(0))
    assert torch.allclose(singular, torch.linalg.svdvals(clouds[4] - clouds[4].mean(0)), rtol=1e-3)
    others = nearest_training_cloud(data, clouds[:4], n_points=90, n_rotations=60, progress=False)
    assert float(found.energy[0]) < 0.5 * float(others.energy[0])


def test_clouds_can_be_taken_as_they_stand(normal):
    clouds = normal(5, 40, 3)
    data = Projections.observe(clouds[3], 3, 40, seed=1)
    found = nearest_training_cloud(data, clouds, n_points=40, n_rotations=0, progress=False)
    assert float(found.energy[0]) < 1e-10  # without a turn the target itself is among them
    assert torch.equal(found.points[0].sort(dim=0).values, clouds[3].sort(dim=0).values)


def test_a_part_of_more_points_than_clouds_are_first_tried_with(normal):
    clouds = normal(3, 160, 3) * torch.tensor([1.0, 0.5, 0.2])
    part = Subunit(clouds[1, clouds[1, :, 0].argsort()[:80]])
    for data in (part, Joint([Projections.observe(clouds[1], 2, 60, seed=1), part])):
        found = nearest_training_cloud(data, clouds, n_points=160, n_rotations=0, progress=False)
        assert torch.equal(found.points[0].sort(dim=0).values, clouds[1].sort(dim=0).values)


def test_bad_input(one_sentence, normal):
    data = CoarseGrained(normal(4, 3))
    with one_sentence(ValueError, "clouds", "(b, n, 3)"):
        nearest_training_cloud(data, normal(4, 3))
    with one_sentence(ValueError, "n_rotations", "-1"):
        nearest_training_cloud(data, normal(1, 4, 3), n_rotations=-1)
    with one_sentence(ValueError, "subunit's 9 points", "got 8"):
        nearest_training_cloud(Subunit(normal(9, 3)), normal(1, 4, 3), n_points=8)
