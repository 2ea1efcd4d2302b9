"""The panel without a browser, driven by a made-up run."""

import base64
import html
import threading
import time
from dataclasses import replace

import pytest
import torch
from PIL import Image

from dpskit.experiments.experiment import CHAIRS, NO_SHAPE, Experiment, Settings
from dpskit.experiments.scenarios import Scenario
from dpskit.sampling.protocol import Info
from dpskit.sampling.samples import load_samples
from dpskit.transport import solver
from dpskit.widgets import jobs, steps_view
from dpskit.widgets.live_figure import LiveFigure
from dpskit.widgets.outputs import write_animation
from dpskit.widgets.panel import Panel
from dpskit.widgets.steps_view import DENOISED

SMALL = Settings(scenario=replace(CHAIRS, n_points=50, n_views=2, n_steps=5), n_points=16)


class FakeRun:
    """Yields clouds that hold the seed of the experiment in every coordinate; step k begins when tick k is released."""

    def __init__(self, ticks=None, fails_at=None):
        self.ticks, self.fails_at, self.steps = ticks, fails_at, []

    def __call__(self, experiment):
        s = experiment.settings
        for k in range(s.scenario.n_steps):
            if self.ticks is not None:
                assert self.ticks.acquire(timeout=60)
            if k == self.fails_at:
                raise ValueError("the fake <run> has come to its end.")
            self.steps.append((s.seed, k))
            x = torch.full((s.n_samples, s.n_points, 3), float(s.seed)) + 0.01 * torch.rand(s.n_points, 3)
            yield Info(k, 1.0 - (k + 1) / s.scenario.n_steps, x, x, torch.full((s.n_samples,), 0.5))


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def ticks():
    return threading.Semaphore(0)


def test_a_run_goes_through_all_steps_and_ends_with_a_report():
    run = FakeRun()
    panel = Panel(run, settings=SMALL)
    panel.start()
    panel.wait(60)
    assert run.steps == [(0, k) for k in range(5)] and len(panel.history) == 5
    assert panel.steps.curves.energy == [500.0] * 5 and panel.steps.curves.residual == [1.0] * 5
    assert panel.bar.progress.value == panel.bar.progress.max == 5
    assert "Done" in panel.bar.status.value and panel.bar.stop.disabled
    assert set(panel.report.scores) == {"posterior samples", "maximum likelihood"}
    assert panel.pages.views.choice.options == ("steps", "results") and panel.pages.views.choice.value == "results"


def test_stop_ends_the_run_within_a_step(ticks):
    run = FakeRun(ticks)
    panel = Panel(run, settings=SMALL)
    panel.start()
    ticks.release(2)
    until(lambda: len(panel.history) == 2)
    assert not panel.bar.stop.disabled
    panel.bar.stop.click()
    ticks.release(3)
    panel.wait(60)
    assert len(run.steps) == 3, "the step that had begun, and no other"
    assert len(panel.history) == 2 and panel.report is None and panel.bar.stop.disabled
    assert "Stopped after step 2 of 5" in panel.bar.status.value
    assert panel.steps.step.max == 2 and not panel.steps.step.disabled


def test_a_picture_waits_until_the_browser_is_done_with_the_one_before(monkeypatch, ticks):
    monkeypatch.setattr(steps_view, "PAUSE", 0.0)
    monkeypatch.setattr(steps_view, "PATIENCE", 1000.0)
    panel = Panel(FakeRun(ticks), settings=SMALL)
    before = panel.experiment
    panel.start()
    until(lambda: panel.experiment is not before)
    lives = [view.live for view in (panel.steps.cloud, panel.steps.tiles, panel.steps.numbers)]
    drawn = []
    for done, shown in ((1, lives), (2, lives[1:]), (3, lives), (4, []), (5, [])):
        with panel.runner.lock:
            for live in shown:  # as the browser says it
                live._drawn.shown = live._drawn.number
        ticks.release()
        until(lambda done=done: len(panel.history) == done)
        with panel.runner.lock:
            drawn.append(panel.steps.step.value)
    assert drawn == [1, 1, 3, 3, 5], "all pictures seen, one not yet, all seen, none; and the last step in any case"
    panel.wait(60)


def test_a_run_that_is_stopped_before_its_first_step_says_so(ticks):
    panel = Panel(FakeRun(ticks), settings=SMALL)
    panel.start()
    panel.bar.stop.click()
    assert "Stopped before the first step." in panel.bar.status.value and panel.history == []
    ticks.release(5)
    panel.wait(60)
    assert "Stopped before the first step." in panel.bar.status.value


def test_a_slider_moved_during_a_run_starts_anew_and_mixes_nothing(ticks):
    run = FakeRun(ticks)
    panel = Panel(run, settings=SMALL)
    panel.start()
    ticks.release(3)
    until(lambda: len(panel.history) == 3)
    panel.controls.widgets["seed"].value = 7
    ticks.release(100)
    panel.wait(60)
    assert [float(info.x.amin().round()) for info in panel.history] == [7.0] * 5
    assert panel.experiment.settings.seed == 7 and len(panel.steps.curves.distance) == 5
    assert max(k for seed, k in run.steps if seed == 0) <= 3


def test_a_slider_moved_after_a_run_keeps_its_pictures():
    panel = Panel(FakeRun(), settings=SMALL)
    panel.start()
    panel.wait(60)
    panel.controls.widgets["alpha"].value = 40_000.0
    panel.wait(60)
    assert "press Run" in panel.bar.status.value and len(panel.history) == 5
    assert panel.experiment.settings.scenario.alpha == 10_000


def test_a_slider_moved_before_a_run_shows_its_data():
    panel = Panel(FakeRun(), settings=SMALL)
    panel.controls.widgets["n_views"].value = 4
    panel.wait(60)
    assert len(panel.experiment.views.points) == 4
    drawn = [trace for trace in panel.steps.tiles.live.figure.data[:5] if len(trace.x)]
    assert len(drawn) == 4 and len(drawn[0].x) == 50


def test_errors_are_a_sentence_in_the_panel(monkeypatch, ticks):
    hooked = []
    monkeypatch.setattr(threading, "excepthook", lambda args: hooked.append(args.exc_value))
    panel = Panel(FakeRun(fails_at=2), settings=SMALL)
    panel.start()
    with pytest.raises(ValueError, match="come to its end"):
        panel.wait(60)
    assert "the fake &lt;run&gt; has come to its end." in panel.bar.status.value and len(hooked) == 1
    assert panel.bar.stop.disabled and len(panel.history) == 2


def test_reset_brings_everything_back(ticks):
    panel = Panel(FakeRun(ticks), settings=SMALL)
    panel.controls.widgets["seed"].value = 3
    panel.start()
    ticks.release(1)
    until(lambda: len(panel.history) == 1)
    panel.bar.reset.click()
    ticks.release(10)
    panel.wait(60)
    assert panel.controls.settings == SMALL and panel.history == [] and panel.pages.views.choice.options == ("steps",)
    assert panel.experiment.settings == SMALL and "Ready" in panel.bar.status.value


def drawn_cloud(panel):
    """What the browser is told to show of the sample, upright."""
    trace = panel.steps.cloud.live.figure.data[0]
    return torch.stack([torch.tensor(axis) for axis in (trace.x, trace.y, trace.z)], dim=1)


@pytest.mark.parametrize("runs", [1, 2])
def test_the_step_slider_follows_the_run_and_then_shows_each_step(runs):
    panel = Panel(FakeRun(), settings=SMALL)
    for _ in range(runs):
        panel.start()
        panel.wait(60)
    upright = panel.experiment.upright
    assert panel.steps.step.value == 5 and torch.allclose(drawn_cloud(panel), upright(panel.history[4].x[0]))
    panel.steps.step.value, panel.steps.sample.value = 2, 2
    assert torch.allclose(drawn_cloud(panel), upright(panel.history[1].x[1]))
    panel.steps.step.value = 1
    assert torch.allclose(drawn_cloud(panel), upright(panel.history[0].x[1]))
    sizes = panel.steps.numbers.live.figure.data[-1].marker.size
    assert max(sizes) == sizes[0] > max(sizes[1:]), "the step is marked in the curves"


def test_the_cloud_is_shown_noisy_or_denoised(ticks, monkeypatch):
    monkeypatch.setattr(steps_view, "PATIENCE", 0.0)

    def run(experiment):
        for info in FakeRun(ticks)(experiment):
            yield Info(info.step, info.t, info.x, info.x + 5, info.energy)

    panel = Panel(run, settings=SMALL)
    panel.start()
    ticks.release(2)
    until(lambda: len(panel.history) == 2)
    panel.steps.kind.value = DENOISED
    with panel.runner.lock:
        assert torch.allclose(drawn_cloud(panel), panel.experiment.upright(panel.history[-1].denoised[0]))
        assert panel.steps.step.disabled, "a run moves it"
    ticks.release(3)
    panel.wait(60)
    assert torch.allclose(drawn_cloud(panel), panel.experiment.upright(panel.history[4].denoised[0]))


def test_a_run_makes_no_figures(monkeypatch):
    """What is loaded with the panel stays; a run only changes it."""
    panel = Panel(FakeRun(), settings=SMALL)
    made = []
    monkeypatch.setattr(LiveFigure, "__init__", lambda self, figure, *_, **__: made.append(figure))
    panel.start()
    panel.wait(60)
    assert made == []


def test_the_picture_is_the_cloud_upright_with_equal_axes():
    panel = Panel(FakeRun(), settings=SMALL)
    truth = panel.steps.truth.live.figure.data[0]
    drawn = torch.stack([torch.tensor(axis) for axis in (truth.x, truth.y, truth.z)], dim=1)
    assert torch.allclose(drawn, panel.experiment.truth @ panel.experiment.turn.T, atol=1e-6)
    scene = panel.steps.truth.live.figure.layout.scene
    assert scene.xaxis.range == scene.yaxis.range == scene.zaxis.range == (-1.1, 1.1)


def test_the_pose_is_chosen_in_the_panel():
    panel = Panel(FakeRun(), settings=SMALL)
    pose = panel.controls.widgets["pose"]
    assert [label for label, _ in pose.options] == ["stands upright", "pose unknown"]
    assert torch.equal(panel.experiment.turn, torch.eye(3))
    pose.value = "unknown"
    panel.start()
    panel.wait(60)
    assert panel.experiment.settings.pose == "unknown" and not torch.equal(panel.experiment.turn, torch.eye(3))
    panel.reset()
    assert panel.controls.settings == SMALL


@pytest.mark.parametrize(
    ("prior", "target", "has_pose"),
    [("chairs", "chair", True), ("complexes", "chair", False), ("chairs", "ruvab", False), (NO_SHAPE, "chair", False)],
)
def test_a_complex_and_a_gaussian_have_no_pose(prior, target, has_pose):
    panel = Panel(FakeRun(), settings=replace(SMALL, prior=prior, target=target, pose="unknown"))
    assert (panel.controls.widgets["pose"].layout.display != "none") == has_pose
    assert panel.controls.settings.pose == ("unknown" if has_pose else "upright")


@pytest.mark.parametrize("kind", ["prior alone", "subunit", "everything"])
def test_the_library_runs_in_the_panel(kind):
    scenario = replace(CHAIRS, n_points=50, n_views=1, n_steps=2).with_kind(kind, n_points=64)
    settings = Settings(scenario=scenario, n_points=64, n_samples=1)
    panel = Panel(settings=settings)
    panel.start()
    panel.wait(60)
    assert len(panel.history) == 2 and panel.report is not None
    assert (panel.report.fitted is None) == (kind == "prior alone")


@pytest.mark.parametrize("n_samples", [1, 2])
def test_without_data_a_second_sample_stands_in_the_place_of_maximum_likelihood(n_samples):
    alone = SMALL.scenario.with_kind("prior alone", n_points=16)
    panel = Panel(FakeRun(), settings=replace(SMALL, scenario=alone, n_samples=n_samples))
    panel.start()
    panel.wait(60)
    figure = panel.pages.results.view.live.figure
    second = panel.report.samples[1, :, 0] if n_samples == 2 else torch.zeros(0)
    assert torch.allclose(torch.tensor(figure.data[1].x), second)
    missing = "" if n_samples == 2 else ": needs two samples"
    titles = [title.text for title in figure.layout.annotations]
    other = f"{panel.experiment.settings.target}, not observed"
    assert titles[:3] == ["prior sample 1", f"prior sample 2{missing}", other]
    assert panel.steps.truth.live.figure.layout.annotations[0].text == other
    assert panel.steps.numbers.live.layout.display == "none" and panel.pages.results.table.value == ""
    assert "CD" not in panel.pages.results.about.value
    panel.keep()
    panel.start()
    panel.wait(60)
    both = panel.pages.both
    assert both.table.value == "" and "A: the same settings; B: the same settings" in both.about.value


def test_a_complex_comes_with_its_molecule():
    panel = Panel(settings=Settings("complexes", "ruvab", Scenario("one view", 1, 50, n_steps=2), n_points=64))
    panel.start()
    panel.wait(60)
    panel.pages.views.choice.value = "molecule"
    assert any("dpskit-molecule" in child._dom_classes for child in panel.pages.molecule.children)
    assert panel.pages.views.choice.options == ("steps", "results", "molecule")
    assert "RMSD (Å)" in panel.report.scores["posterior samples"].columns()


def test_further_priors_and_targets_can_be_chosen():
    mine = Experiment.of(SMALL)
    panel = Panel(FakeRun(), settings=SMALL, priors={"mine": mine.prior}, targets={"my chair": mine.target})
    panel.controls.widgets["prior"].value = "mine"
    panel.controls.widgets["target"].value = "my chair"
    panel.start()
    panel.wait(60)
    assert panel.experiment.prior is mine.prior and panel.experiment.target is mine.target


def test_a_and_b_have_the_same_data():
    panel = Panel(FakeRun(), settings=SMALL)
    assert panel.bar.keep.disabled
    with pytest.raises(ValueError, match="finished run"):
        panel.keep()
    panel.start()
    panel.wait(60)
    panel.controls.widgets["n_views"].value = 4  # moved after the run: A keeps its own data
    panel.wait(60)
    panel.bar.keep.value = True
    assert panel.controls.settings == SMALL and panel.controls.widgets["n_views"].disabled
    first = panel.experiment
    panel.controls.widgets["alpha"].value = 100.0
    panel.start()
    panel.wait(60)
    assert panel.pages.views.choice.value == "A | B"
    for ours, theirs in zip(first.views.points, panel.experiment.views.points, strict=True):
        assert torch.equal(ours, theirs)
    assert "A: pull α 10,000" in panel.pages.both.table.value and "B: pull α 100" in panel.pages.both.table.value
    assert "maximum likelihood" in panel.pages.both.table.value
    panel.bar.keep.value = False
    assert panel.kept is None and not panel.controls.widgets["n_views"].disabled


def test_the_files_of_a_run_can_be_taken_away(tmp_path):
    panel = Panel(settings=replace(SMALL, prior="Gaussian (no shape)"))
    sent = []
    panel.pages.download.send = lambda message, buffers=None: sent.append((message, buffers))
    panel.pages.download._asked(None, {"name": "samples"}, [])
    assert "no samples yet" in sent.pop()[0]["error"]
    panel.start()
    panel.wait(60)
    for name in ("samples", "picture", "animation"):
        panel.pages.download._asked(None, {"name": name}, [])
    assert [message["file"] for message, _ in sent] == ["samples.npz", "picture.png", "animation.gif"]
    (tmp_path / "samples.npz").write_bytes(sent[0][1][0])
    samples = load_samples(tmp_path / "samples.npz")
    assert torch.equal(samples.points, panel.history[-1].x)
    assert sent[1][1][0].startswith(b"\x89PNG") and sent[2][1][0].startswith(b"GIF89a")
    names = {}
    exec(html.unescape(panel.pages.code.value.removeprefix("<code>").removesuffix("</code>")), names)
    assert torch.equal(names["samples"].points, samples.points), "the line of code gives the same bits"


def test_an_animation_begins_where_there_is_something_to_see(tmp_path):
    experiment = Experiment.of(replace(SMALL, scenario=SMALL.scenario.with_kind("prior alone", 16)))
    history = [Info(k, t, experiment.truth[None], experiment.truth[None], None) for k, t in enumerate((40, 4, 1, 0))]
    for steps, frames in ((history, 2), (history[:2], 2)):
        write_animation(experiment, steps, tmp_path / "run.gif")
        assert Image.open(tmp_path / "run.gif").n_frames == frames


def test_the_panel_does_not_wait_for_the_assignment_engine_before_it_shows(monkeypatch):
    gate, arrange = threading.Event(), solver.arrange

    def compiling(*arguments):
        assert gate.wait(60)
        return arrange(*arguments)

    monkeypatch.setattr(solver, "arrange", compiling)
    jobs._compilation.cache_clear()
    panel = Panel(settings=replace(SMALL, seed=7))
    until(lambda: "engine is being prepared" in panel.bar.status.value and "Press Run." in panel.bar.status.value)
    panel.controls.widgets["seed"].value = 8
    until(lambda: panel.experiment.settings.seed == 8)
    panel.start()
    until(lambda: "engine is being prepared" in panel.bar.status.value and "Ready" not in panel.bar.status.value)
    panel.stop()
    assert "Stopped" in panel.bar.status.value
    panel.start()
    gate.set()
    panel.wait(60)
    assert len(panel.history) == 5 and "Done" in panel.bar.status.value


def test_the_time_of_a_run_is_said_before_it_starts():
    panel = Panel(settings=replace(SMALL, prior="Gaussian (no shape)"))
    panel.wait(30)
    parts = panel.bar.status.value.split("<span style='display: inline-block'>")[1:]
    assert parts[:2] == ["Ready.</span> ", "Press Run.</span> "], "each sentence is a part that is not broken"
    assert parts[2].startswith("A run takes ")


def test_a_page_without_a_kernel_has_a_picture():
    bundle = Panel(FakeRun(), settings=SMALL)._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in bundle
