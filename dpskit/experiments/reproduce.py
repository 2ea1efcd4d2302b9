"""The same run again: from its settings alone, and the line of code that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from dpskit.data.examples import Example
from dpskit.experiments.experiment import Experiment, Settings, run_experiment
from dpskit.experiments.scenarios import Scenario
from dpskit.priors.protocol import Prior
from dpskit.sampling.protocol import Info
from dpskit.sampling.samples import Samples
from dpskit.version import __version__


def run(
    settings: Settings,
    priors: Mapping[str, Prior] | None = None,
    targets: Mapping[str, Example] | None = None,
) -> Samples:
    """Observe the target of the settings, and draw samples, as the panel does.

    Parameters
    ----------
    settings : Settings
        Of the reconstruction.
    priors, targets : mapping of str, optional
        Further ones by name, as in `Panel`.

    Returns
    -------
    Samples
        Those of the panel, to the bit, on the same machine with the same number of threads.

    Raises
    ------
    ValueError
        For a prior or a target that is not known by its name.

    Examples
    --------
    >>> from dpskit.experiments import Scenario, Settings, run
    >>> run(Settings("Gaussian (no shape)", "chair", Scenario("one", 1, 50, n_steps=2), n_points=32)).points.shape
    torch.Size([2, 32, 3])
    """
    experiment = Experiment.of(settings, priors, targets)
    *_, last = run_experiment(experiment)
    return samples_of(experiment, last)


def samples_of(experiment: Experiment, info: Info) -> Samples:
    """The samples of a run that has ended with `info`."""
    energy = None if experiment.data is None else experiment.data.energy(info.x).detach()
    settings = {"experiment": asdict(experiment.settings)}
    return Samples(info.x, energy, settings, experiment.settings.seed, __version__, pose=info.pose)


def code_of(settings: Settings, *, own: bool = False) -> str:
    """The line of code that runs these settings again; `own`: with priors and targets of one's own, by name."""
    given = ", priors=priors, targets=targets" if own else ""
    return f"from dpskit.experiments import Scenario, Settings, run; samples = run({_made(settings)}{given})"


def _made(settings: Settings | Scenario) -> str:
    """The call that makes the settings; what they leave at its default is left out."""
    values = {f.name: value for f in fields(settings) if (value := getattr(settings, f.name)) != f.default}
    texts = [f"{name}={_made(value) if isinstance(value, Scenario) else repr(value)}" for name, value in values.items()]
    return f"{type(settings).__name__}({', '.join(texts)})"
