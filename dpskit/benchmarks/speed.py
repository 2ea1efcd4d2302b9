"""Speed of training and sampling, also as a share of the machine's peak."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from dpskit.checks import check_integer, check_number
from dpskit.markdown import markdown_table
from dpskit.priors.edm import DiffusionPrior, edm_loss
from dpskit.priors.latents import LatentConfig
from dpskit.priors.networks import PRESETS, NetworkConfig, build

EVALUATIONS = 199  # of the network per sample: 100 steps of Algorithm 1, of which the last takes one
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def forward_flops(network: NetworkConfig, n_points: int) -> int:
    """Floating-point operations of the matrix products of one forward pass for one cloud, as PyTorch counts them.

    A multiplication and an addition are two. A training step takes about three times as many (forward, and backward to
    the activations and to the weights; the local features of a latent network need no backward pass there).
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    if isinstance(network, LatentConfig):
        network = replace(network, aligned=False)  # axes cannot be found without computing
    # Counts without computing; the plain attention, because the fused one of the CPU is not counted.
    with FakeTensorMode(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        build(network)(torch.zeros(1, n_points, 3), torch.ones(1))
    return counter.get_total_flops()


@dataclass(frozen=True)
class Speed:
    """rate: clouds per second (training), or complete samples per second; flops: operations per second; share: of the
    peak, which is that of a large matrix product of the same precision in the same run."""

    preset: str
    device: str
    task: str
    precision: str
    batch: int
    rate: float
    flops: float
    share: float


def measure_speed(
    presets: Sequence[str] = tuple(PRESETS), n_points: int = 1024, batch: int | None = None, seconds: float = 5.0
) -> list[Speed]:
    """Time one training step (bf16 autocast, AdamW) and one evaluation in sampling for each preset, with random data.

    On the CPU with `torch.get_num_threads()` threads, and on the GPU if there is one; sampling in fp32 on the former,
    as `sample` does, and in bf16 on the latter. batch: clouds that run together (default: 2 on a CPU, 256 on a GPU).
    Each is repeated for `seconds`, at least twice, and the fastest but the first counts: on a shared machine the mean
    would measure the neighbours.
    """
    from dpskit.progress import tqdm

    n_points, seconds = check_integer("n_points", n_points), check_number("seconds", seconds, least=0.0)
    sizes = {"cpu": 2, "cuda": 256} if batch is None else dict.fromkeys(("cpu", "cuda"), check_integer("batch", batch))
    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    jobs = [(device, preset, task) for device in devices for preset in presets for task in ("training", "sampling")]
    peaks: dict[tuple[str, str], float] = {}
    speeds = []
    for device, preset, task in tqdm(jobs, desc="speed", unit="run"):
        precision = "fp32" if (device, task) == ("cpu", "sampling") else "bf16"
        if (device, precision) not in peaks:
            peaks[device, precision] = peak_flops(device, precision, seconds)
        size, run = sizes[device], _training if task == "training" else _sampling
        clouds = size / _time(run(PRESETS[preset], n_points, size, device, precision), device, seconds)
        flops = clouds * forward_flops(PRESETS[preset], n_points) * (3 if task == "training" else 1)
        rate = clouds / (EVALUATIONS if task == "sampling" else 1)
        speeds.append(Speed(preset, device, task, precision, size, rate, flops, flops / peaks[device, precision]))
    return speeds


def peak_flops(device: str, precision: str, seconds: float = 5.0) -> float:
    """Operations per second of the product of two square matrices, 2,048 wide on a CPU and 8,192 on a GPU."""
    width = 2048 if device == "cpu" else 8192
    a = torch.randn(width, width, device=device).to(PRECISIONS[precision])
    return 2 * width**3 / _time(lambda: a @ a, device, min(seconds, 3.0))


def _training(network: NetworkConfig, n_points: int, batch: int, device: str, precision: str) -> Callable[[], object]:
    model = build(network).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    x0, noise = torch.randn(2, batch, n_points, 3, device=device)
    t = torch.rand(batch, device=device) + 0.1

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            loss = edm_loss(model, x0, t, noise).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _sampling(network: NetworkConfig, n_points: int, batch: int, device: str, precision: str) -> Callable[[], object]:
    prior = DiffusionPrior(build(network).to(device).eval())
    x, t = torch.randn(batch, n_points, 3, device=device), torch.ones(batch, device=device)

    @torch.no_grad()
    def evaluate() -> object:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            return prior.denoise(x, t)

    return evaluate


def _time(work: Callable[[], object], device: str, seconds: float) -> float:
    """Least seconds of `work` among its repetitions for `seconds`, at least two, of which the first does not count."""
    finish = torch.cuda.synchronize if device == "cuda" else lambda: None
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < 2 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        finish()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def speed_table(speeds: Sequence[Speed]) -> str:
    """The measurements as Markdown. A training step is counted in clouds, a sample as 100 steps of Algorithm 1."""
    rows = []
    for s in speeds:
        rate, flops = f"{s.rate:.3g}", f"{s.flops / 1e9:,.0f}"
        rows.append([s.preset, s.device, s.task, s.precision, str(s.batch), rate, flops, f"{s.share:.0%}"])
    columns = ["preset", "device", "task", "precision", "batch", "samples/s", "GFLOP/s", "of the peak"]
    return markdown_table(columns, rows)
