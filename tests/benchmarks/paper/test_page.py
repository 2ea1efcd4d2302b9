"""Records of parts, and what pages say of them."""

from dataclasses import replace

import pytest

from dpskit.benchmarks.paper.collect import collect, paper_page, parts_in
from dpskit.benchmarks.paper.page import part_table, summary_table, table_page
from dpskit.benchmarks.paper.record import Line, TablePart
from dpskit.benchmarks.runtime import Runtime, save_runtime
from dpskit.cli import main
from dpskit.experiments.methods import FLOOR, ML
from dpskit.records import append_records


def line(method, cd, alpha=None, chosen=False, **means):
    means = {"cd": cd, "emd": [2 * x for x in cd], "energy": [x / 100 for x in cd]} | means
    return Line(method, alpha, chosen, means, dict.fromkeys(means, 0.01), 1.25, {"cd": [[x, x] for x in cd]})


def shapes(key="1"):
    lines = [line(ML, [0.2, 0.4]), line("trained", [0.1, 0.26], 1e4), line("Gaussian", [0.3, 0.6], 1e4)]
    lines += [line("Gaussian", [0.2, 0.2], 1.5e4, True), line(FLOOR, [0.05, 0.05])]
    return TablePart(key, f"{key}: five projections", ["a", "b"], 2, lines, ["c"], plain="Gaussian")


def structures():
    lines = [line(ML, [0.1, 0.1], rmsd=[8.0, 4.0], rmsd_atoms=[5.0, 3.0])]
    lines += [line("Gaussian", [0.1, 0.1], 4e4, rmsd=[6.0, 3.0], rmsd_atoms=[5.0, 2.0])]
    return TablePart("A.4.1", "A.4.1: three projections", ["a", "b"], 1, lines, own_rmsd=[3.0, 2.0], plain="Gaussian")


def cells(table):
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


def test_a_record_is_read_back_as_it_was_written(tmp_path, one_sentence):
    shapes().save(tmp_path / "c.json")
    assert TablePart.load(tmp_path / "c.json") == shapes()
    bare = shapes().without_values()
    assert not any(one.values for one in bare.lines) and part_table(bare) == part_table(shapes())
    (tmp_path / "d.json").write_text('{"key": 1}')
    with one_sentence(ValueError, "d.json"):
        TablePart.load(tmp_path / "d.json")


def test_the_table_gives_means_ratios_and_the_paper_s_numbers():
    rows = cells(part_table(shapes()))
    assert rows[0] == [ML, "30.00 ± 1.00", "60.00 ± 1.00", "3.00 ± 10.00", "1", "1", "", "1.2"]
    assert rows[1][0] == "trained, alpha 10,000" and rows[1][4:] == [
        "0.60 [0.50, 0.65]", "0.60 [0.50, 0.65]", "0.90 [0.50, 1.30]", "1.2"
    ]  # fmt: skip
    assert rows[3][0] == "Gaussian, alpha 15,000, chosen on other targets" and rows[3][6] == ""
    assert rows[5][:6] == ["paper: maximum likelihood", "13.30 ± 2.00", "11.03 ± 1.69", "3.68 ± 0.88", "1", "1"]
    assert rows[6][:6] == ["paper: DPS", "9.98 ± 2.38", "8.32 ± 1.77", "3.80 ± 1.02", "0.75", "0.75"]


def test_the_summary_compares_with_the_gaussian_at_its_chosen_alpha():
    rows = cells(summary_table([shapes()]))
    assert rows == [
        ["1", "trained, alpha 10,000", "0.60 [0.50, 0.65]", "0.60 [0.50, 0.65]", "100%",
         "0.67 [0.50, 1.00]", "0.90 [0.50, 1.30]", "0.17 [0.12, 0.25]", "0.75, 0.75"]
    ]  # fmt: skip


def test_the_summary_takes_the_chosen_alpha_and_shows_the_gaussian_where_it_is_alone():
    both = replace(shapes(), lines=[*shapes().lines, line("trained", [0.08, 0.2], 2e4, True)])
    assert [row[1] for row in cells(summary_table([both]))] == ["trained, alpha 20,000, chosen on other targets"]
    alone = cells(summary_table([structures()]))
    assert alone == [["A.4.1", "Gaussian, alpha 40,000", *["0.75 [0.75, 0.75]", "0.88 [0.67, 1.00]"], "100%",
                      "0.75 [0.75, 0.75]"]]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "ratio"),
    [
        ("1, balanced, turned", "0.75, 0.75"),
        ("2, means, blur 0.1", "0.77, 0.77"),
        ("2, 20 steps", ""),
        ("1, drawn anew", ""),
    ],
)
def test_another_rule_on_the_paper_s_data_stands_beside_the_paper_s_numbers(key, ratio):
    row = cells(summary_table([shapes(key)]))[0]
    assert row[8:] == [ratio] * bool(ratio)
    assert len(cells(part_table(shapes(key)))) == (7 if ratio else 5)


def test_table_2_has_the_paper_s_three_lines_and_no_ratio_to_maximum_likelihood_there():
    rows = cells(part_table(shapes("Table 2")))
    assert rows[-1][:6] == ["paper: C, + correction step", "11.11 ± 4.13", "11.19 ± 5.09", "2.47 ± 0.86", "", ""]
    assert len(rows) == 5 + 3


def test_structures_are_compared_by_rmsd_and_have_a_floor():
    page = table_page("Title", [structures()])
    assert "| Gaussian, alpha 40,000 | 4.50 ± 0.01 | 3.50 ± 0.01 | 1.00 ± 10.00 | 0.75 [0.75, 0.75] |" in page
    assert "| the targets' own points | 0 | 2.50 |" in page
    assert page.startswith("# Title\n") and "2 targets, 1 sample each: a b." in page


def test_one_page_is_made_of_all_records_and_follows_from_them_alone(tmp_path, one_sentence, capsys):
    for key in ("2", "10", "1"):
        shapes(key).save(tmp_path / "results" / "table1" / f"{key}.json")
    (tmp_path / "results" / "table1" / "p.png").write_bytes(b"picture")
    assert [one.key for one in parts_in(tmp_path / "results" / "table1")] == ["1", "2", "10"]
    arguments = ["benchmark", "paper", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "docs")]
    assert main(arguments) == 0
    structures().save(tmp_path / "results" / "a4" / "A.4.1.json")
    page = collect(tmp_path / "results", tmp_path / "docs").read_text()
    assert page == paper_page(tmp_path / "docs" / "paper")
    heads = [text for text in page.splitlines() if text.startswith("#")]
    assert heads[1] == "## Table 1: shapes from sparse data" and heads[2:5] == [
        "### 1: five projections", "### 2: five projections", "### 10: five projections"
    ]  # fmt: skip
    assert "`dpskit benchmark a4`" in page and "](paper/table1/p.png)" in page
    assert not any(one.lines[0].values for one in parts_in(tmp_path / "docs" / "paper" / "table1"))
    with one_sentence(ValueError, "results"):
        collect(tmp_path / "nothing", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_page_has_table_3_and_the_runtime(tmp_path):
    row = {"one_nna": 0.5, "coverage": 0.25, "mmd": 0.1249}
    metrics = {"CD": row, "EMD": row}
    record = {"prior": "chairs", "digest": "x", "orientation": "upright", "settings": {"n_samples": 8}, "n_test": 8}
    record |= dict.fromkeys(("samples", "training", "blurred"), metrics)
    record |= {"nearest": {name: [0.1, 0.2] for name in ("samples", "test", "redrawn")}}
    record |= {"thickness": dict.fromkeys(("samples", "test", "blurred"), 0.01)}
    append_records(tmp_path / "results" / "table3" / "chairs.jsonl", [record | {"n_test": 4}, record])
    runtime = Runtime("chairs", 8.35, 10, 1024, 6, 40, "cpu", 2, 2, 1.5, 1.25, 0.25, 5.0)
    save_runtime(runtime, tmp_path / "results" / "runtime")
    page = collect(tmp_path / "results", tmp_path / "docs").read_text()
    assert "| prior chairs, flow | 50 | 50 | 25 | 25 | 12.5 | 12.5 |" in page
    assert "8 test clouds" in page and "| paper: prior, ShapeNet-Chair | 78 |" in page
    assert "| 3.00 | 5.00 | 24.0 |" in page


def test_a_comparison_finds_its_lines():
    found = shapes()
    assert found.shapeless.alpha == 1.5e4 and found.line("Gaussian", chosen=False).alpha == 1e4
    assert found.line("other") is None and found.reference.method == ML
    assert structures().structures and not found.structures
    assert structures().shapeless.means["rmsd"] == pytest.approx([6.0, 3.0])
