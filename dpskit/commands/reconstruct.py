"""`dpskit reconstruct`: from observations in angstrom, or a structure to simulate some of, to models on disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dpskit.commands.parser import add_command

if TYPE_CHECKING:
    from torch import Tensor

    from dpskit.cloud import Frame
    from dpskit.data.coarse_grain import CoarseGrainedStructure
    from dpskit.data.observations import Observations
    from dpskit.experiments.reconstruction import Reconstruction
    from dpskit.priors.protocol import Prior

MARGIN = 1.25  # how much wider than their cube models may be
KINDS = {"observations": "a file of observations", "images": "images", "structure": "a structure"}  # of sources
LISTS, STACKS = (".star", ".cs"), (".mrcs", ".mrc")  # of images
MOST_IMAGES = 64
OPTIONS_OF: dict[str, list[str]] = {
    "observations": [],
    "images": ["views", "view_points", "pixel_size"],
    "structure": ["views", "view_points", "coarse_points", "chains"],
}


def add(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    known = add_command(commands, "reconstruct", run, "reconstruct a complex from observations in angstrom")
    known.add_argument("source", help="TOML file of observations; images (.star, .cs, .mrcs, .mrc), such as class"
                       " averages, whose orientations are found where the file has none; or a structure (file or PDB"
                       " code), of which observations are simulated")  # fmt: skip
    known.add_argument("--out", required=True, help="folder to write: samples as npz and mmCIF, densities as MRC")
    known.add_argument("--prior", default="complexes", help="a shipped name, or a .safetensors file")
    known.add_argument("--n-samples", type=int, default=10, help="number of models")
    known.add_argument("--n-points", type=int, default=1024, help="points per model")
    known.add_argument("--n-steps", type=int, default=40, help="steps from t = 1 to 0")
    known.add_argument("--alpha", type=float, help="weight of the data against the prior, a number without unit, for"
                       " 1,024 points (default: 50 for each observed point; 4,000 where every point is drawn to one of"
                       " a low-resolution structure)")  # fmt: skip
    known.add_argument("--pose", choices=["upright", "unknown"], default="upright", help="how the object stands, for a"
                       " prior of upright shapes: as they do, z up, or in a pose to be found")  # fmt: skip
    known.add_argument("--resolution", type=float, default=15.0, help="resolution of the density maps, in angstrom")
    known.add_argument("--seed", type=int, default=0, help="random seed of the samples and of simulated observations")
    known.add_argument("--ml", action="store_true", help="run maximum likelihood too, for comparison")
    views = known.add_argument_group("views of images or of a structure")
    views.add_argument("--views", type=int, help="number of projections, or of the first images (default: 4, or all)")
    views.add_argument(
        "--view-points", type=int, help="points of each (default: 1024 of a projection, 400 of an image)"
    )
    views.add_argument("--pixel-size", type=float, help="of the images, in angstrom (default: what their files say)")
    simulated = known.add_argument_group("more observations, simulated from a structure")
    simulated.add_argument("--coarse-points", type=int, help="points of a low-resolution structure (default: none)")
    simulated.add_argument("--chains", nargs="+", help="chains of a known subunit (default: none)")


def run(options: argparse.Namespace) -> None:
    from dpskit.checks import check_integer, check_number, check_seed
    from dpskit.claim import claim
    from dpskit.priors.store import load_prior

    for name, least in {"n_samples": 1, "n_points": 2, "n_steps": 1}.items():
        check_integer(name, getattr(options, name), least=least)
    check_seed("seed", options.seed)
    if options.alpha is not None:
        check_number("alpha", options.alpha, least=0.0)
    check_number("resolution", options.resolution, above=0.0)
    kind = _kind(options.source)
    for name in sorted(set(OPTIONS_OF["structure"] + OPTIONS_OF["images"]) - set(OPTIONS_OF[kind])):
        if getattr(options, name) is not None:
            text = f"--{name.replace('_', '-')} does not go with {KINDS[kind]}"
            raise ValueError(f"{text}, got {options.source!r}.")
    prior = load_prior(options.prior)
    with claim(options.out, 40 * options.n_samples * options.n_points, folder=True) as folder:
        _reconstruct(options, prior, folder)


def _reconstruct(options: argparse.Namespace, prior: Prior, folder: Path) -> None:
    """The work, with everything saved as soon as it is there, and before anything is said about it."""
    from dpskit.data.check_views import check_views
    from dpskit.evaluation.clusters import cluster_warning
    from dpskit.export.report import found_orientations, write_report
    from dpskit.likelihoods.joint import Joint, as_found

    data, model, atoms = _observations(options, folder)
    warnings = check_views(data)
    for warning in warnings:
        print(f"warning: {warning}")
    _say_subunit(data, options.n_points)
    frame = data.frame(options.n_points) if model is None else model.frame
    x, y, z = frame.center
    print(f"the cube: {2 * frame.scale:.1f} angstrom wide, centre ({x:.1f}, {y:.1f}, {z:.1f})")
    if data.unknown and len(data.projections) > 1:
        print("orientations are searched for before the sampling, which may take minutes", flush=True)
    for name, result in _results(options, prior, data, frame):
        paths = result.save(folder, name=name, resolution=options.resolution)
        print(f"{name}: mean energy x 1,000: {1000 * float(result.samples.energy.mean()):.3f}")
        if model is not None and atoms is not None:
            print(f"{name}: {_score(result, model, atoms)}")
        likelihood, report = data.likelihood(frame), folder / f"{name}.html"
        seen = cast(Joint, as_found(likelihood, result.samples.rotations))
        residuals = (2 * seen.energies(result.samples.points)).sqrt().mean(dim=0) * frame.scale
        print(f"{name}: residuals in angstrom:", *(f"{residual:.2f}" for residual in residuals))
        for said in (found_orientations(result.samples, likelihood), cluster_warning(result.samples.points)):
            if said:
                print(f"{name}: {said}")
        write_report(result.samples, likelihood, report, frame=frame, warnings=warnings)
        print(*paths, report, sep="\n")


def _kind(source: str) -> str:
    """What the source is, by its name: of `KINDS`."""
    name = source.lower().removesuffix(".gz")
    return "observations" if name.endswith(".toml") else "images" if name.endswith(LISTS + STACKS) else "structure"


def _observations(
    options: argparse.Namespace, folder: Path
) -> tuple[Observations, CoarseGrainedStructure | None, Tensor | None]:
    """Those of a file; or those of images or simulated ones, which are written to the folder; and the points and atoms
    of a structure."""
    from dpskit.cloud import Frame
    from dpskit.data.coarse_grain import coarse_grain
    from dpskit.data.observation_file import read_observations, write_observations
    from dpskit.data.structures import read_structure
    from dpskit.experiments.known_structure import simulate
    from dpskit.export.density import check_resolution

    kind = _kind(options.source)
    if kind != "structure":
        data = read_observations(options.source) if kind == "observations" else _of_images(options)
        check_resolution(options.resolution, MARGIN * 2 * data.frame(options.n_points).scale)
        if kind == "images":
            write_observations(data, folder / "observations.toml")
        return data, None, None
    structure = read_structure(options.source)
    check_resolution(options.resolution, MARGIN * 2 * Frame.of(structure.atoms).scale)
    print(structure)
    model = coarse_grain(structure.atoms, options.n_points)
    points = model.frame.to_physical(model.points)
    subunit = structure.chain_points(points, options.chains) if options.chains else None
    counts = {"n_views": options.views, "n_points": options.view_points, "coarse_points": options.coarse_points}
    counts = {name: value for name, value in counts.items() if value is not None}
    data = simulate(model, **counts, subunit=subunit, seed=options.seed)
    write_observations(data, folder / "observations.toml")
    return data, model, structure.atoms


def _of_images(options: argparse.Namespace) -> Observations:
    """The points that the images show, from the orientations that their file states."""
    from dpskit.data.images import read_images
    from dpskit.data.observations import Observations
    from dpskit.data.poses import read_poses

    images = read_images(options.source, options.pixel_size)
    poses = read_poses(options.source) if options.source.lower().endswith(LISTS) else None
    if options.views is None and len(images) > MOST_IMAGES:
        raise ValueError(
            f"source must hold at most {MOST_IMAGES} images, such as class averages, but {options.source!r} holds "
            f"{len(images):,}: --views 16 takes the first 16."
        )
    counts = {"n_views": options.views, "n_points": options.view_points}
    counts = {name: value for name, value in counts.items() if value is not None}
    data = Observations.of_images(images, poses, **counts, seed=options.seed)
    print(_said_of_images(len(images), images.pixels.shape[1], images.pixel_size, data))
    return data


def _said_of_images(count: int, size: int, pixel_size: float, data: Observations) -> str:
    """What was read, so that a wrong pixel size and angles that were not found are seen."""
    taken = len(data.projections)
    which = f"{count} images" if taken == count else f"the first {taken} of {count:,} images"
    sizes = f"{size} pixels of {pixel_size:g} angstrom a side"
    known = "not stated, to be found" if data.unknown else "as stated"
    return f"{which}, {sizes}; {len(data.projections[0])} points of each; orientations {known}"


def _results(
    options: argparse.Namespace, prior: Prior, data: Observations, frame: Frame
) -> Iterator[tuple[str, Reconstruction]]:
    """The ensemble of DPS, and that of maximum likelihood if it is asked for, by the names of their files."""
    from dpskit.experiments.reconstruction import reconstruct, reconstruct_without_prior

    counts = {"n_samples": options.n_samples, "n_points": options.n_points, "seed": options.seed}
    pose = None if options.pose == "upright" else options.pose
    settings = {"n_steps": options.n_steps, "alpha": options.alpha, "pose": pose}
    yield "samples", reconstruct(prior, data, frame=frame, **settings, **counts)
    if options.ml:
        yield "ml", reconstruct_without_prior(data, frame=frame, **counts)


def _say_subunit(data: Observations, n_points: int) -> None:
    """Print the share of a model that the subunit fixes; warn if that is all of it."""
    if data.subunit is None:
        return
    count = len(data.subunit)
    print(f"the subunit takes {count:,} of {n_points:,} points")
    if count == n_points:
        print("dpskit: the subunit is the whole model, so that nothing is left to reconstruct.", file=sys.stderr)


def _score(result: Reconstruction, model: CoarseGrainedStructure, atoms: Tensor) -> str:
    """The deviation in words, or why there is none: the samples are saved, whatever happens here."""
    from dpskit.experiments.known_structure import deviation

    try:
        return str(deviation(result, model, atoms))
    except Exception as error:
        return f"saved, but could not be scored ({error})"
