"""Pictures of clouds."""

import io

import numpy as np
import pytest
import torch

from dpskit.plots.figures import VIEW, cloud_figure, cloud_grid, static_figure


def test_every_cloud_is_drawn_with_equal_axes():
    clouds = {"a": torch.rand(5, 3), "b": 2 * torch.rand(7, 3)}
    figure = cloud_figure(clouds, unit="angstrom")
    for trace, cloud in zip(figure.data, clouds.values(), strict=True):
        assert np.allclose(np.stack([trace.x, trace.y, trace.z], axis=1), cloud)
    assert figure.layout.scene.xaxis.range == figure.layout.scene2.zaxis.range
    shape = figure.layout.scene.aspectratio
    assert figure.layout.scene.aspectmode == "manual" and shape.x == shape.y == shape.z
    assert figure.layout.scene.yaxis.title.text == "y (angstrom)"


def test_clouds_share_one_scale_of_colours_that_an_outlier_does_not_stretch():
    clouds = {"low": torch.zeros(100, 3), "high": torch.ones(100, 3)}
    for trace in cloud_figure(clouds).data:
        assert (trace.marker.cmin, trace.marker.cmax) == (0, 1)
    spread = torch.linspace(0, 1, 100)
    spread[7] = 1000
    for trace in cloud_figure(clouds, colour=spread, label="spread").data:
        assert trace.marker.cmin == 0 and 0.9 < trace.marker.cmax <= 1
    for bad in (spread[:3], spread / 0):
        with pytest.raises(ValueError, match="colour must be a finite number for each point"):
            cloud_figure(clouds, colour=bad)


def test_the_static_view_is_a_rotation_with_z_up():
    view = torch.tensor(VIEW)
    assert torch.allclose(view.T @ view, torch.eye(3), atol=1e-3)
    assert torch.linalg.det(view) == pytest.approx(1, abs=1e-3)
    assert view[2, 1] > 0.8


def test_static_figure_draws_points_where_they_are_seen():
    cloud, flat = torch.rand(6, 3), torch.rand(4, 2)
    figure = static_figure([{"flat": flat, "cloud": cloud}], ["cube"])
    drawn = [np.asarray(axis.collections[0].get_offsets()) for axis in figure.axes[:2]]
    assert np.allclose(drawn[0], flat)
    seen = (cloud @ torch.tensor(VIEW))[:, :2]
    assert np.allclose(np.sort(drawn[1], axis=0), np.sort(seen.numpy(), axis=0), atol=1e-6)
    figure.savefig(io.BytesIO(), format="png")


def test_the_grid_holds_every_cloud_on_the_same_axes():
    clouds = torch.randn(5, 7, 3) * torch.tensor([1.0, 2, 3, 4, 5])[:, None, None]
    figure = cloud_grid(clouds, columns=3, unit="angstrom")
    axes = figure.axes[:6]
    for cloud, axis in zip(clouds, axes, strict=False):
        drawn = np.asarray(axis.collections[0].get_offsets())
        seen = (cloud @ torch.tensor(VIEW))[:, :2].numpy()
        assert np.allclose(np.sort(drawn, axis=0), np.sort(seen, axis=0), atol=1e-5)
        assert axis.get_aspect() == 1 and axis.get_xlim() == axis.get_ylim() == axes[0].get_xlim()
        assert np.abs(drawn).max() < axis.get_xlim()[1]
    assert not axes[5].collections and "angstrom" in figure.get_supxlabel()
    figure.savefig(io.BytesIO(), format="png")


def test_a_stray_point_does_not_shrink_the_grid():
    clouds = torch.rand(3, 500, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    clouds[1, 7] = torch.tensor([0.0, 0.0, 40.0])
    figure = cloud_grid(clouds)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["0", "1 (1 outside)", "2"]
    assert figure.axes[0].get_xlim()[1] < 1


def test_bad_input_names_the_cloud():
    with pytest.raises(ValueError, match="broken must be finite"):
        cloud_figure({"broken": torch.full((3, 3), torch.nan)})


@pytest.mark.parametrize(("reach", "far"), [(1.1, 1.0), (1.0, 0.9), (84.0, 70.0), (260.0, 200.0), (0.03, 0.02)])
def test_axes_have_round_numbers_that_do_not_meet_at_a_corner(reach, far):
    figure = cloud_figure({"a": torch.tensor([[reach, 0.0, 0.0]]), "b": torch.zeros(1, 3)})
    for name in "xyz":
        values = figure.layout.scene[f"{name}axis"].tickvals
        assert values == pytest.approx([0, far] if name == "z" else [-far, 0, far])


def test_three_scenes_leave_their_axes_more_room_than_one():
    one, three = (cloud_figure({str(k): torch.rand(4, 3) for k in range(count)}) for count in (1, 3))
    assert three.layout.scene3.aspectratio.x < 0.85 < 1 < one.layout.scene.aspectratio.x
    assert cloud_figure({"a point at the centre": torch.zeros(1, 3)}).layout.scene.xaxis.range == (-1, 1)
