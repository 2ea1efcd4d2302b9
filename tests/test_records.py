import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from dpskit.records import append_records, append_result, read_records, read_results
from dpskit.version import NUMBERS

RECORD = st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=3)


@given(first=st.lists(RECORD, min_size=1), second=st.lists(RECORD), cut=st.integers(1, 40))
def test_what_was_written_is_read_and_a_line_cut_off_costs_itself_alone(tmp_path_factory, first, second, cut):
    path = tmp_path_factory.mktemp("records") / "new" / "a.jsonl"
    assert read_records(path) == []
    append_records(path, first)
    assert read_records(path) == first
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][: max(0, len(lines[-1]) - 1 - cut)])
    append_records(path, second)
    assert read_records(path) == first[:-1] + second


def test_results_of_other_numbers_are_not_taken_up(tmp_path):
    path = tmp_path / "a.jsonl"
    append_records(path, [{"rmsd": 3.0}, {"numbers": NUMBERS - 1, "rmsd": 4.0}])
    append_result(path, {"rmsd": 5.0})
    assert read_results(path) == [{"rmsd": 5.0}] and len(read_records(path)) == 3


def test_a_full_disk_leaves_all_records_or_none(tmp_path):
    """A file may grow to 4,096 bytes here: the second pair of records does not fit, and nothing of it stays."""
    code = (
        "import resource, sys; from dpskit.records import append_records, read_records\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "for _ in range(2):\n"
        "    append_records(sys.argv[1], [{'text': 'x' * 1000}, {'text': 'y' * 1500}])"
    )
    path = tmp_path / "a.jsonl"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 1 and "File too large" in done.stderr
    assert [record["text"][0] for record in read_records(path)] == ["x", "y"]
    append_records(path, [{"text": "z"}])
    assert [record["text"][0] for record in read_records(path)] == ["x", "y", "z"]
