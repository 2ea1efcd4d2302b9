"""A part of `make faults` in every test run: one kill and one full disk of the shortest command."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import faults


def test_nothing_is_lost():
    killed, ended = faults.run(["sample"], 1, 3)["sample"]
    assert killed + ended >= 1


def test_half_written_files_are_found(tmp_path):
    """Or the others could not fail."""
    for name, content in {"a.npz": b"PK", "b.cif": b"data_x\nloop_\n_atom_site.id\n", "c.safetensors": b"x"}.items():
        (tmp_path / name).write_bytes(content)
        try:
            faults.check_whole(tmp_path)
        except (ValueError, AssertionError, RuntimeError, IndexError):
            (tmp_path / name).unlink()
        else:
            raise AssertionError(f"{name} passed")
