"""The report and the ChimeraX script: what they say, and that they need nothing but themselves."""

import base64
import re

import pytest
import torch

import dpskit
from dpskit.export import report
from dpskit.export.chimerax import write_chimerax
from dpskit.export.report import write_report
from dpskit.sampling.samples import Samples

FRAME = dpskit.Frame((0.0, 0.0, 0.0), 50.0)


@pytest.fixture
def cloud():
    return dpskit.load_example("ruvab").points[:400]


@pytest.fixture
def samples(cloud, normal):
    return Samples(cloud + 0.02 * normal(3, 400, 3), None, {"prior": {"name": "<mine>"}}, 3, "1.0")


def test_residuals_spread_and_settings(tmp_path, cloud, samples):
    data = dpskit.Joint([dpskit.Projections.observe(cloud, 3, 400, seed=1), dpskit.CoarseGrained(cloud)])
    write_report(samples, data, tmp_path / "r.html", frame=FRAME)
    text = (tmp_path / "r.html").read_text()
    rows = re.findall(r"<tr><td>([\w\s-]+)</td><td>([\d.]+)</td>", text)
    assert [name for name, _ in rows] == ["view 1", "view 2", "view 3", "low-resolution structure"]
    expected = (2 * data.energies(samples.points)).sqrt().mean(dim=0) * 50
    assert [float(value) for _, value in rows] == pytest.approx(expected.tolist(), abs=0.006)
    spread = float(re.search(r"half of them by up to ([\d.]+)", text).group(1))
    assert spread == pytest.approx(50 * 0.02 * 3**0.5 * (2 / 3) ** 0.5, rel=0.15)
    assert "&lt;mine&gt;" in text and "<mine>" not in text
    assert "http" not in text and "The views agree" in text
    pictures = re.findall(r"base64,([^\"]+)", text)
    assert len(pictures) == 2 and all(base64.b64decode(p).startswith(b"\x89PNG") for p in pictures)


def test_one_sample_has_no_spread(tmp_path, cloud):
    write_report(cloud[None], dpskit.CoarseGrained(cloud), tmp_path / "r.html", frame=FRAME)
    text = (tmp_path / "r.html").read_text()
    assert "One sample of 400 points" in text and "One sample has no spread" in text
    assert "<td>low-resolution structure</td><td>0.00</td><td>–</td>" in text and "±" in text


def test_clusters_are_named(tmp_path, cloud, samples):
    data = dpskit.CoarseGrained(cloud)
    write_report(samples, data, tmp_path / "one.html", frame=FRAME)
    assert "clusters" not in (tmp_path / "one.html").read_text()
    two = torch.cat([samples.points, cloud.flip(1) + samples.points - cloud])
    write_report(two, data, tmp_path / "two.html", frame=FRAME)
    assert "2 clusters" in (tmp_path / "two.html").read_text()


def test_a_coarse_structure_alone_and_images_beside_a_part(tmp_path, cloud, samples):
    write_report(samples, dpskit.CoarseGrained(cloud[::10]), tmp_path / "coarse.html", frame=FRAME)
    text = (tmp_path / "coarse.html").read_text()
    assert "The views agree" not in text and "<td>low-resolution structure</td>" in text
    images = dpskit.ProjectionImages.observe(cloud, FRAME, 2, 32, seed=1)
    write_report(samples, dpskit.Joint([images, dpskit.Subunit(cloud[:40])]), tmp_path / "both.html", frame=FRAME)
    text = (tmp_path / "both.html").read_text()
    assert re.findall(r"<tr><td>([\w\s-]+)</td>", text) == ["images", "known part"]


def test_what_a_run_has_found_is_in_its_report(tmp_path, cloud, monkeypatch):
    """Residuals, and the pictures of the views, with the placement and the orientations of each sample."""
    turns, shift = dpskit.random_rotations(4, seed=5), torch.tensor([[0.3, 0.0, 0.1]])
    points = cloud[None] @ turns[:3]
    views = dpskit.Projections.observe(cloud, 2, 400, seed=1)
    part = cloud[:50] @ turns[3].T - shift @ turns[3].T  # the first 50 points y, at y @ turn + shift in the cloud
    placement = torch.cat([turns[3], shift]) @ turns[:3]
    rotations = turns[:3, None].mT @ views.rotations
    unknown = dpskit.Projections(views.points)  # but the first, which is the frame
    data = dpskit.Joint([unknown, dpskit.Subunit(part, placed=False)])
    found = Samples(points, None, {"orientations": [0.6, 0.4]}, 0, "1.0", rotations, None, placement)
    drawn = []
    monkeypatch.setattr(report, "_views_figure", lambda views, rotations, *_: drawn.append(rotations))
    monkeypatch.setattr(report, "_picture", lambda *_: "")
    write_report(found, data, tmp_path / "r.html", frame=FRAME)
    rows = re.findall(r"<tr><td>([\w\s-]+)</td><td>([\d.]+)</td>", (tmp_path / "r.html").read_text())
    assert rows == [("view 1", "0.00"), ("view 2", "0.00"), ("known part", "0.00")]
    page = (tmp_path / "r.html").read_text()
    text = re.search(r"2 sets.* 0\.60, 0\.40;.*differ by up to, in degrees: view 2 ([\d]+)\.", page)
    apart = max(float(dpskit.angles_between(a, b)) for a in turns[:3] for b in turns[:3])
    assert 1 < float(text.group(1)) <= apart + 1
    assert ("That is much" in page) == (float(text.group(1)) > 30)
    assert "No two views of known orientation could be compared" in page and "agree" not in page
    assert any(torch.equal(drawn[0], each) for each in rotations)
    write_report(points, unknown, tmp_path / "r.html", frame=FRAME)  # nothing was found: from where they fit best
    assert bool(drawn[1].isfinite().all())


def test_views_of_unknown_orientation_are_not_said_to_agree(tmp_path, cloud, samples):
    views = dpskit.Projections.observe(cloud, 3, 400, seed=1)
    rotations = views.rotations.clone()
    rotations[1] = torch.nan
    write_report(samples, dpskit.Projections(views.points, rotations), tmp_path / "r.html", frame=FRAME)
    assert "The views of known orientation agree" in (tmp_path / "r.html").read_text()


def test_warnings_and_correlations_of_images(tmp_path, cloud, samples):
    images = dpskit.ProjectionImages.observe(cloud, FRAME, 4, 48, seed=1)
    turned = dpskit.ProjectionImages(images.pixels, images.rotations.mT, images.pixel_size, FRAME, images.width)
    write_report(samples, images, tmp_path / "right.html", frame=FRAME)
    write_report(samples.points, turned, tmp_path / "wrong.html", frame=FRAME)
    right, wrong = ((tmp_path / name).read_text() for name in ("right.html", "wrong.html"))
    correlation = [float(v) for v in re.findall(r"<tr><td>view \d</td><td>([\d.]+)</td>", right)]
    assert len(correlation) == 4 and min(correlation) > 0.97
    assert 'class="warning"' not in right
    assert 'class="warning">the views agree if the rotations are transposed' in wrong
    assert "Settings" in right and "Settings" not in wrong


def test_every_axis_has_its_unit(cloud):
    figures = [
        report._views_figure(dpskit.Projections.observe(cloud, 2, 50), torch.eye(3).expand(2, 3, 3), cloud, FRAME),
        report._views_figure(dpskit.ProjectionImages.observe(cloud, FRAME, 2, 16), torch.eye(3)[None], cloud, FRAME),
        report._spread_figure(cloud, torch.rand(len(cloud)), FRAME),
    ]
    for figure in figures:
        *panels, last = figure.axes
        labels = [text for axes in panels for text in (axes.get_xlabel(), axes.get_ylabel())] + [last.get_ylabel()]
        assert all(label.endswith("(angstrom)") for label in labels)


def test_all_views_have_one_scale(cloud):
    flat = cloud * torch.tensor([1.0, 0.2, 0.2])
    turns = torch.stack([torch.eye(3), torch.eye(3).roll(1, dims=1)])
    views = dpskit.Projections([(flat @ turn)[:, :2] for turn in turns], turns)
    first, second = report._views_figure(views, turns, flat, FRAME).axes
    assert first.get_xlim() == first.get_ylim() == second.get_xlim() == second.get_ylim()
    assert first.get_xlim()[1] > 50 * float(flat.abs().max())
    spread = report._spread_figure(flat, torch.rand(len(flat)), dpskit.Frame((200.0, 100.0, 0.0), 50.0))
    panels = [axes.get_xlim() for axes in spread.axes[:3]] + [axes.get_ylim() for axes in spread.axes[:3]]
    assert len({round(float(high - low), 3) for low, high in panels}) == 1


def test_a_likelihood_of_ones_own(tmp_path, samples):
    class Radius:
        def energy(self, x0):
            return x0.square().mean(dim=(1, 2))

    write_report(samples, Radius(), tmp_path / "r.html", frame=FRAME)
    assert "Mean energy" in (tmp_path / "r.html").read_text()


def test_several_energies_of_a_likelihood_of_ones_own(tmp_path, samples):
    class Ends:
        def energies(self, x0):
            return torch.stack([x0.amin(dim=(1, 2)).square(), x0.amax(dim=(1, 2)).square()], dim=1)

        def energy(self, x0):
            return self.energies(x0).mean(dim=1)

    joint = dpskit.Joint([Ends(), dpskit.Joint([Ends()])])
    for data, names in ((Ends(), ["Ends 1", "Ends 2"]), (joint, ["Ends", "Joint"])):
        write_report(samples, data, tmp_path / "r.html", frame=FRAME)
        rows = re.findall(r"<tr><td>([\w\s-]+)</td><td>([\d.]+)</td>", (tmp_path / "r.html").read_text())
        assert [name for name, _ in rows] == names


def test_chimerax_script(tmp_path, samples, one_sentence):
    (tmp_path / "out").mkdir()
    files = {"models": tmp_path / "a.cif", "medoid": tmp_path / "out" / "b.cif", "density": tmp_path / "c.mrc"}
    dpskit.export_structure(samples, files["models"], frame=FRAME)
    dpskit.export_structure(samples, files["medoid"], frame=FRAME, models="medoid")
    dpskit.export_density(samples, files["density"], frame=FRAME)
    write_chimerax(tmp_path / "out" / "open.cxc", **files)
    lines = (tmp_path / "out" / "open.cxc").read_text().splitlines()
    assert [line for line in lines if line.startswith("open")] == [
        'open "b.cif" id 1',
        'open "../a.cif" id 2',
        'open "../c.mrc" id 3',
    ]
    assert "hide #2 models" in lines and not any("{" in line for line in lines)
    with one_sentence(FileNotFoundError, "density", "none.mrc"):
        write_chimerax(tmp_path / "a.cxc", density=tmp_path / "none.mrc")
    with one_sentence(ValueError, ".cxc"):
        write_chimerax(tmp_path / "a.py", density=files["density"])
    with one_sentence(TypeError, "path", "int"):
        write_chimerax(3, density=files["density"])
    with one_sentence(ValueError, "got none"):
        write_chimerax(tmp_path / "a.cxc", density=None)


def test_bad_paths(tmp_path, samples, one_sentence):
    with one_sentence(TypeError, "frame", "NoneType"):
        write_report(samples, dpskit.CoarseGrained(torch.zeros(3, 3)), tmp_path / "r.html", frame=None)
    with one_sentence(ValueError, "path", ".html"):
        write_report(samples, dpskit.CoarseGrained(torch.zeros(3, 3)), tmp_path / "r.pdf", frame=FRAME)
