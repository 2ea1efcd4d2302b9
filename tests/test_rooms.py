"""Which room of the package imports which: no cycle, and no arrow in a direction that the design forbids."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import dpskit

ROOT = Path(dpskit.__file__).parent

FORBIDDEN = [
    ("likelihoods", "priors"),
    ("evaluation", "sampling"),
    ("evaluation", "data"),
    ("commands", "benchmarks"),
]


def room_of(parts):
    """A folder of the package, a module beside the folders, or "dpskit" for the public names themselves."""
    return parts[0] if parts else "dpskit"


def imported(tree):
    """The dotted names of all imports, also of those inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "dpskit":  # from dpskit import sampling, or a public name
                yield from (f"dpskit.{name.name}" for name in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def import_graph(root=ROOT):
    """{room: the other rooms that it imports}."""
    rooms = {path.stem for path in root.iterdir() if path.suffix == ".py"} | {p.name for p in root.iterdir()}
    graph = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        room = room_of([] if parts == ("__init__",) else parts)
        graph.setdefault(room, set())
        for name in imported(ast.parse(path.read_text())):
            first, _, rest = name.partition(".")
            if first == "dpskit":
                target = room_of([part for part in rest.split(".")[:1] if part in rooms])
                graph[room] |= {target} - {room}
    return graph


def test_the_import_graph_has_no_cycle_and_no_forbidden_arrow():
    graph = import_graph()
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"rooms import each other in a circle: {' -> '.join(error.args[1])}")
    for room in order:
        print(f"{room:12} -> {', '.join(sorted(graph[room])) or 'nothing'}")
    print(f"{len(graph)} rooms, {sum(map(len, graph.values()))} arrows")
    assert [arrow for arrow in FORBIDDEN if arrow[1] in graph[arrow[0]]] == []
    assert graph["checks"] == set() and graph["transport"] <= {"checks", "cloud", "progress"}
    assert {"sampling", "likelihoods", "priors", "data", "evaluation"} <= graph["experiments"]


def test_nothing_but_the_surface_imports_the_public_names_or_the_widgets():
    """Inner rooms import from each other's modules, so that importing one does not load them all."""
    graph = import_graph()
    surface = {"cli", "commands", "benchmarks", "widgets", "__main__"}
    assert {room for room, targets in graph.items() if "dpskit" in targets} <= surface
    assert {room for room, targets in graph.items() if "widgets" in targets} == set()


def test_the_graph_sees_every_kind_of_import(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "a" / "m.py").write_text("from dpskit import b\nimport numpy\n")
    (tmp_path / "b" / "m.py").write_text("def f():\n    import dpskit.a.m\n")
    assert import_graph(tmp_path) == {"dpskit": set(), "a": {"b"}, "b": {"a"}}
