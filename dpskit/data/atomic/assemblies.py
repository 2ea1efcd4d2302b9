"""Biological assemblies: which copies of which chains, from the operator expressions of mmCIF."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dpskit.checks import shown
from dpskit.data.atomic.table import AtomTable

MAX_COPIES = 100_000  # of one chain: the largest viruses have some thousands
MAX_ATOMS = 10_000_000
TOKEN = re.compile(r"\(([^()]*)\)|([^(),]+)|(,)|.")


@dataclass(frozen=True, eq=False)
class Generator:
    """The names of subchains, and the operators (3, 4) = [rotation | shift], by name, that copy all of them."""

    chains: frozenset[str]
    operators: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Assembly:
    """A biological assembly as a file tells it."""

    name: str
    generators: tuple[Generator, ...]


def operator_names(expression: str, known: Collection[str]) -> Iterator[tuple[str, ...]]:
    """The products of operators in an `expression` of pdbx_struct_assembly_gen, each from left to right.

    "1,2" and "1-60" are single operators; "(1-2)(3,4)" are the four products of one of the first bracket with one of
    the second, of which the last is applied first; "P,(X0)(1-5)" has both. Blanks do not count. Raises ValueError for
    an operator that is not `known`, a range that falls, and an expression that is none.
    """
    wrong = ValueError(f"an operator expression must be like 1,2 or (1-5)(6,7), got {shown(expression)}")
    factors: list[tuple[str, ...]] = []
    for part in TOKEN.finditer(re.sub(r"[\s'\"]", "", expression) + ","):
        bracket, single, comma = part.groups()
        if comma:
            yield from itertools.product(*factors) if factors else ()
            factors = []
        elif bracket or single:
            factors.append(tuple(_listed(bracket or single, known)))
        else:
            raise wrong


def _listed(text: str, known: Collection[str]) -> Iterator[str]:
    for entry in filter(None, text.split(",")):
        span = re.fullmatch(r"(\D*)(\d+)-(\1|)(\d+)", entry)
        if entry in known or not span:
            names: Iterator[str] = iter([entry])
        else:
            if int(span[2]) > int(span[4]):
                raise ValueError(f"its assembly must ask for operators in rising order, got {entry}")
            names = (f"{span[1]}{number}" for number in range(int(span[2]), int(span[4]) + 1))
        for name in names:
            if name not in known:
                raise ValueError(f"its assembly asks for operator {name[:60]}, which the file does not describe")
            yield name


def multiply(factors: tuple[str, ...], operators: Mapping[str, np.ndarray]) -> np.ndarray:
    """The product (3, 4) of named `operators` (3, 4): the last is applied first."""
    product = np.eye(4)
    for name in factors:
        product = product @ np.vstack([operators[name], [0, 0, 0, 1]])
    return product[:3]


def build(assembly: Assembly, table: AtomTable, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Positions, chain names and `kinds` (N,) of the `assembly` of the atoms of `table`; None if it has no such chain.

    Generators name subchains, or chains where there is none of them, and the result has the names of chains. A copy of
    a subchain by an operator of one name, and one that does not move it, is made once however often it is asked for.
    """
    pieces, names, of = [], [], []
    copies: dict[str, int] = dict.fromkeys(table.chain.names.tolist(), 0)
    made: dict[str, set[str]] = {}
    total = 0
    asked = frozenset[str]().union(*(generator.chains for generator in assembly.generators))
    labels_asked = table.chain if asked.isdisjoint(table.subchain.names.tolist()) else table.subchain
    for generator in assembly.generators:
        wanted = generator.chains.intersection(labels_asked.names.tolist())
        for name, operator in generator.operators.items() if wanted else ():
            done = made.setdefault("" if np.allclose(operator, np.eye(3, 4), atol=1e-4) else name, set())
            rows = np.flatnonzero(labels_asked.isin(wanted - done))
            done |= wanted
            total += len(rows)
            if total > MAX_ATOMS:
                raise ValueError(f"its assembly must have at most {MAX_ATOMS:,} atoms: read it with assembly=False")
            if len(rows) == 0:
                continue
            pieces.append(table.xyz[rows] @ operator[:, :3].T + operator[:, 3])
            chain = table.chain[rows]
            labels = chain.names.tolist()
            for code in np.unique(chain.codes).tolist():
                copies[labels[code]] += 1
                count = copies[labels[code]]
                labels[code] = labels[code] if count == 1 else f"{labels[code]}-{count}"
            names.append(np.array(labels)[chain.codes])
            of.append(kinds[rows])
    return (np.concatenate(pieces), np.concatenate(names), np.concatenate(of)) if pieces else None
