"""The settings of one training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dpskit.checks import check_choice, check_integer, check_number, check_seed
from dpskit.priors.networks import PRESETS, NetworkConfig, network_from_dict
from dpskit.training.augment import ORIENTATIONS


@dataclass(frozen=True)
class Stage:
    """A part of a training run.

    Parameters
    ----------
    until
        The share of the run's clouds at which it ends.
    n_points
        Per cloud.
    batch
        Clouds per step, of all processes together.
    p_mean, p_std, t_max
        Of the noise: ln t ~ N(p_mean, p_std^2), cut at t_max.

    Notes
    -----
    Paper: A.2 has two stages of noise.
    """

    until: float
    n_points: int
    batch: int
    p_mean: float = -1.5
    p_std: float = 1.1
    t_max: float = 80.0

    def __post_init__(self) -> None:
        check_number("until", self.until, above=0.0)
        check_integer("n_points", self.n_points)
        check_integer("batch", self.batch)
        check_number("p_mean", self.p_mean)
        check_number("p_std", self.p_std, least=0.0)
        check_number("t_max", self.t_max, above=0.0)


CURRICULUM = (Stage(0.4, 512, 16), Stage(1.0, 1024, 16))
"""Few points first: they cost less, and what decides the object shows in few."""

PAPER_CURRICULA = {
    "chairs": (Stage(0.9, 1024, 200, p_mean=-4.0, t_max=1.0, p_std=1.2), Stage(1.0, 1024, 200, p_mean=-1.2, p_std=1.2)),
    "others": (Stage(0.9, 1024, 200, p_mean=-2.8, t_max=1.0, p_std=0.9), Stage(1.0, 1024, 200, p_mean=-1.2, p_std=1.2)),
}
"""The noise of the paper's priors (A.2), ShapeNet-Chair and the two others, at one of their batch sizes. Their learning
rates begin at 1e-4 (8e-5 for the shapes) and are lowered by hand."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; each is stored in the model card.

    Parameters
    ----------
    data
        npz file with `points` (k, m, 3), and optionally `redundant` (k,), the clouds to be drawn at most a quarter of
        the time.
    clouds
        How many clouds to draw in all. The learning rate and the curriculum follow the share that is done; `clouds_in`
        tells how many go into a time.
    network
        Of which kind and size; `dpskit.priors.PRESETS` has some.
    initial
        A prior to start from, by shipped name or path: of the same network, or a latent one with fewer rounds, whose
        function the deeper network then begins as; None: random weights.
    orientation
        "upright" (as the clouds are, and mirrored, x -> -x), "rotated" (random rotations, for biomolecules, which are
        chiral) or "reflected" (random rotations and reflections, as the paper does with shapes).
    deform
        Strength of the random stretching, warping and tilting of upright shapes, see `augment.deform`; 0: none.
    curriculum
        The stages, one after the other.
    uniform_share, t_min
        Share of the draws of t that is log-uniform from t_min to the stage's t_max, so that no noise level stays
        unseen.
    learning_rate, warmup
        Peak learning rate of AdamW, after a warm-up over this share of the run; then a cosine to zero.
    muon_rate
        The same of Muon, for the matrices of the hidden layers; 0: AdamW for all weights.
    weight_decay, clip
        The decay of both optimizers, and the largest norm of the gradient.
    ema_share
        Half-life of the weight average, as a share of the clouds seen so far.
    held_out
        Clouds set aside, on 16 of which the loss is measured.
    seed, precision, compile
        The seed of weights, data order and noise; "bf16" (autocast) or "fp32"; whether to use torch.compile.

    Raises
    ------
    ValueError, TypeError
        For settings out of range.

    Examples
    --------
    >>> import dpskit
    >>> from dpskit.priors import PRESETS
    >>> config = dpskit.TrainConfig("clouds.npz", clouds=100_000, network=PRESETS["shapes"], orientation="rotated")
    >>> config.stage(0.9).n_points
    1024
    """

    data: str
    clouds: int
    network: NetworkConfig = PRESETS["shapes"]
    initial: str | None = None
    orientation: str = "upright"
    deform: float = 0.0
    curriculum: tuple[Stage, ...] = CURRICULUM
    uniform_share: float = 0.1
    t_min: float = 0.002
    learning_rate: float = 1e-3
    muon_rate: float = 0.01
    warmup: float = 0.03
    weight_decay: float = 0.01
    clip: float = 1.0
    ema_share: float = 0.05
    held_out: int = 32
    seed: int = 0
    precision: str = "bf16"
    compile: bool = False

    def __post_init__(self) -> None:
        check_integer("clouds", self.clouds, most=10**12)
        if not isinstance(self.network, NetworkConfig):
            raise TypeError(f"network must be a LatentConfig or TransformerConfig, got {type(self.network).__name__}.")
        check_number("uniform_share", self.uniform_share, least=0.0)
        check_number("t_min", self.t_min, above=0.0)
        check_choice("orientation", self.orientation, ORIENTATIONS)
        check_number("deform", self.deform, least=0.0)
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("muon_rate", self.muon_rate, least=0.0)
        check_number("warmup", self.warmup, above=0.0)
        check_number("weight_decay", self.weight_decay, least=0.0)
        check_number("clip", self.clip, above=0.0)
        check_number("ema_share", self.ema_share, least=0.0)
        check_integer("held_out", self.held_out)
        check_seed("seed", self.seed)
        check_choice("precision", self.precision, ["bf16", "fp32"])
        ends = [stage.until for stage in self.curriculum]
        if ends != sorted(set(ends)) or not ends or ends[-1] != 1.0:
            raise ValueError(f"curriculum must have rising ends up to 1.0, got {ends}.")

    def stage(self, share: float) -> Stage:
        """The stage at a point of the run.

        Parameters
        ----------
        share : float
            The part of the run that is done.

        Returns
        -------
        Stage
            Of the curriculum.
        """
        return next((stage for stage in self.curriculum if share < stage.until), self.curriculum[-1])

    @property
    def n_points(self) -> int:
        """The most points per cloud that a stage draws."""
        return max(stage.n_points for stage in self.curriculum)

    @staticmethod
    def from_dict(settings: dict[str, Any]) -> TrainConfig:
        """The inverse of `dataclasses.asdict`, from a checkpoint or a model card.

        Parameters
        ----------
        settings : dict
            By the names of the fields.

        Returns
        -------
        TrainConfig
            With these settings.
        """
        parts = {
            "network": network_from_dict(settings["network"]),
            "curriculum": tuple(Stage(**stage) for stage in settings["curriculum"]),
        }
        return TrainConfig(**(settings | parts))
