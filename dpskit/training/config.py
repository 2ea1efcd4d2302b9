"""The settings of one training run."""

from __future__ import annotations

from dataclasses import dataclass

from dpskit.checks import check_choice, check_integer, check_number
from dpskit.priors.transformer import PRESETS, NetworkConfig


@dataclass(frozen=True)
class Stage:
    """A part of the run: up to which share of its budget, with how many points per cloud and clouds per batch."""

    until: float
    n_points: int
    batch: int

    def __post_init__(self) -> None:
        check_integer("n_points", self.n_points)
        check_integer("batch", self.batch)


CURRICULUM = (Stage(0.15, 128, 32), Stage(0.45, 256, 16), Stage(0.7, 512, 8), Stage(1.0, 1024, 6))
"""Few points first: a step costs the same, but sees more clouds. The last stage is at full density."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; each is stored in the model card.

    data: npz file with `points` (k, m, 3), and optionally `redundant` (k,), the clouds to be drawn at most a quarter
        of the time.
    minutes: the budget. The learning rate and the curriculum follow the share of it that is spent, so a run ends at
        the bottom of its schedule whatever the machine.
    proper: augment with SO(3) (biomolecules, which are chiral) instead of O(3) (shapes).
    p_mean, p_std: ln t ~ N(p_mean, p_std^2); uniform_share of the draws is log-uniform over t_range instead, so that
        no noise level stays unseen.
    learning_rate: the peak, after a warm-up over warmup of the budget; then a cosine to zero.
    ema_share: half-life of the weight average, as a share of the clouds seen so far.
    """

    data: str
    minutes: float
    network: NetworkConfig = PRESETS["small"]
    proper: bool = False
    curriculum: tuple[Stage, ...] = CURRICULUM
    p_mean: float = -1.9
    p_std: float = 1.0
    uniform_share: float = 0.1
    t_range: tuple[float, float] = (0.002, 80.0)
    learning_rate: float = 2e-3
    warmup: float = 0.02
    weight_decay: float = 0.01
    clip: float = 1.0
    ema_share: float = 0.05
    held_out: int = 32
    seed: int = 0
    precision: str = "bf16"
    compile: bool = False

    def __post_init__(self) -> None:
        check_number("minutes", self.minutes, above=0.0)
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("warmup", self.warmup, above=0.0)
        check_integer("held_out", self.held_out)
        check_integer("seed", self.seed, least=0)
        check_choice("precision", self.precision, ["bf16", "fp32"])
        ends = [stage.until for stage in self.curriculum]
        if ends != sorted(set(ends)) or not ends or ends[-1] != 1.0 or ends[0] <= 0:
            raise ValueError(f"curriculum must have rising ends up to 1.0, got {ends}.")

    def stage(self, progress: float) -> Stage:
        """The stage at `progress`, the share of the budget that is spent."""
        return next((stage for stage in self.curriculum if progress < stage.until), self.curriculum[-1])
