"""Tensors on disk: one safetensors file, or several of a limited size, each with the same metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dpskit.files import replacing


def save_tensors(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: str | Path, limit: int | None = None
) -> list[Path]:
    """Write `path`, or, where that would be longer than `limit` bytes, NAME-1-of-3.safetensors and so on beside it.

    Every file is written under a temporary name and renamed. A tensor above the limit gets a file of its own. What an
    earlier call left under the other names is removed. Returns the paths of the files.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path).expanduser()
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        size += tensor.nbytes
        if limit is not None and size > limit and parts[-1]:
            parts.append({})
            size = tensor.nbytes
        parts[-1][name] = tensor.detach().cpu().contiguous()
    count = len(parts)
    numbered = [f"{path.stem}-{k}-of-{count}{path.suffix}" for k in range(1, count + 1)]
    names = numbered if count > 1 else [path.name]
    for name, part in zip(names, parts, strict=True):
        with replacing(path.with_name(name)) as temporary:
            try:
                save_file(part, temporary, dict(metadata))
            except SafetensorError as error:  # a full disk, for instance
                raise OSError(
                    f"{str(path)!r} could not be written: {str(error).splitlines()[0].rstrip('.')}."
                ) from None
            temporary.chmod(0o644)  # safetensors makes it unreadable for others
    for stale in {path, *_shards(path)} - {path.with_name(name) for name in names}:
        stale.unlink(missing_ok=True)
    return [path.with_name(name) for name in names]


def load_tensors(path: str | Path, name: str = "path") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_tensors` wrote under `path`, in one file or several: (tensors, metadata).

    name: of the argument that gave the path, for the error's sentence. Raises FileNotFoundError if there is nothing,
    and ValueError for a truncated file or an incomplete set of shards.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path).expanduser()
    files = [path] if path.is_file() else _shards(path)
    if not files:
        raise FileNotFoundError(f"{name} must be an existing {path.suffix} file, got {str(path)!r}.")
    tensors: dict[str, Tensor] = {}
    metadata = []
    for file in files:
        try:
            file.open("rb").close()  # says why it may not be read
            with safe_open(file, framework="pt") as opened:
                metadata.append(opened.metadata() or {})
                tensors |= {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, TypeError, AttributeError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or (str(error).splitlines() or [""])[0].rstrip(".")
            raise ValueError(
                f"{name} must be a complete safetensors file, but {str(file)!r} cannot be read: {reason}."
            ) from None
    if files != [path] and (len(files) != _total(files[0]) or any(other != metadata[0] for other in metadata)):
        raise ValueError(
            f"{name} must hold all shards of one save, but those of {str(path)!r} are incomplete or mixed."
        )
    return tensors, metadata[0]


def _total(path: Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])


def _shards(path: Path) -> list[Path]:
    pattern = re.compile(re.escape(path.stem) + r"-\d+-of-\d+" + re.escape(path.suffix))
    if not path.parent.is_dir():
        return []
    return sorted(file for file in path.parent.iterdir() if pattern.fullmatch(file.name))
