"""What several test modules share."""

import re
from contextlib import contextmanager

import pytest
import torch
from hypothesis import settings

settings.register_profile("dpskit", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("dpskit")
torch.set_num_threads(1)  # the tests are small: on a busy machine, threads that wait for each other cost more


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """No test reads or fills the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DPSKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def one_sentence():
    """A context manager that asserts an error whose message is one sentence holding all of `words`."""

    @contextmanager
    def check(error, *words):
        with pytest.raises(error) as caught:
            yield
        message = str(caught.value)
        assert message.endswith(".") and "\n" not in message, message
        assert not re.search(r"[.!?]\s+[A-Z]", message), message
        for word in words:
            assert str(word) in message, f"{word!r} is missing in: {message}"

    return check


@pytest.fixture(scope="session")
def normal():
    """normal(*shape, seed=0, dtype=float32): standard normal numbers of a fixed seed."""

    def draw(*shape, seed=0, dtype=torch.float32):
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)

    return draw


@pytest.fixture(scope="session")
def lopsided():
    """lopsided(n): n points of an object without symmetry, four blobs of different sizes."""

    def draw(n):
        generator = torch.Generator().manual_seed(0)
        place = torch.tensor([[-0.7, 0.1, 0.0], [0.3, 0.5, -0.2], [0.5, -0.4, 0.4], [0.0, 0.0, -0.6]])
        size = torch.tensor([0.25, 0.1, 0.15, 0.1])
        part = torch.multinomial(torch.tensor([0.4, 0.3, 0.2, 0.1]), n, replacement=True, generator=generator)
        return place[part] + size[part, None] * torch.randn(n, 3, generator=generator)

    return draw
