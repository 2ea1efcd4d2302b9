"""Bad values for any argument: what people pass by mistake, and what programs pass when something went wrong before."""

import math

import numpy as np
import torch
from hypothesis import strategies as st

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
DTYPES = (torch.float16, torch.float32, torch.float64, torch.int32, torch.bool, torch.complex64, torch.bfloat16)


def _tensor(shape, dtype, fault):
    count = math.prod(shape)
    values = torch.linspace(-1, 1, count).reshape(shape) if count else torch.zeros(shape)
    if fault == "nan" and count:
        values.view(-1)[0] = math.nan
    if fault == "infinity" and count:
        values.view(-1)[-1] = math.inf
    if fault == "equal":
        values = torch.zeros(shape)
    if fault == "huge":
        values = values * 1e30
    return values.to(dtype)


TENSORS = st.builds(_tensor, SHAPES, st.sampled_from(DTYPES), st.sampled_from(["", "nan", "infinity", "equal", "huge"]))
NEAR_MISSES = st.builds(  # of the right rank, but not quite right
    _tensor,
    st.sampled_from([(0, 3), (1, 3), (5, 2), (3, 5), (2, 0, 3), (2, 4, 2), (4, 4), (1, 3, 3), (2, 12, 3), (12, 3)]),
    st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from(["", "nan", "infinity", "equal", "huge"]),
)
ARRAYS = st.one_of(
    TENSORS.map(lambda tensor: tensor.to(torch.float64).numpy() if not tensor.is_complex() else tensor.numpy()),
    st.sampled_from(["<U3", "M8[s]", "O", ">f4", "f2", "V8"]).map(lambda kind: np.zeros((4, 3), dtype=kind)),
)
ODD_TENSORS = st.sampled_from(["sparse", "meta", "nested", "quantised", "grad", "named"])


def odd_tensor(kind):
    if kind == "sparse":
        return torch.eye(3).to_sparse()
    if kind == "meta":
        return torch.zeros(4, 3, device="meta")
    if kind == "nested":
        return [[1.0, 2.0, 3.0], [1.0]]
    if kind == "quantised":
        return torch.quantize_per_tensor(torch.ones(4, 3), 0.1, 0, torch.qint8)
    if kind == "grad":
        return torch.ones(4, 3, requires_grad=True)
    return torch.ones(4, 3).expand(2, 4, 3)


NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 10**12, 10**400, True, False, 1.5, -0.0, 1e-320, 1e308, 1 + 2j]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.integers(),
    st.floats(),
)


class Nothing:
    """An object that nobody expects."""


OTHERS = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.sampled_from(["chairs", "1abc", "", "\0", "x" * 300, "~", "/", ".", "cuda", "gpu", "nan"]),
    st.binary(max_size=8),
    st.builds(list),
    st.builds(dict),
    st.lists(st.integers(-2, 4), max_size=4),
    st.builds(Nothing),
    st.just(Nothing),
    st.just(lambda: None),
    st.builds(set),
)

VALUES = st.one_of(NEAR_MISSES, TENSORS, ARRAYS, ODD_TENSORS.map(odd_tensor), NUMBERS, OTHERS)
