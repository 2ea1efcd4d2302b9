"""What the modules of this folder share; `made_structures` beside it, too."""

import sys
from pathlib import Path

import pytest

from dpskit.data.structures import read_structure

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def read(tmp_path):
    """read(text, name="made.cif"): the structure in a file of this text."""

    def read(text, name="made.cif", **arguments):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_structure(path, **arguments)

    return read
