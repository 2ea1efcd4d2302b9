from dpskit.markdown import Table, markdown_table


def test_a_line_for_the_names_a_rule_and_one_for_each_row():
    rows = (row for row in (["chairs", "0.82"], ("complexes", "")))
    assert markdown_table(["prior", "CD"], rows) == "| prior | CD |\n|---|---|\n| chairs | 0.82 |\n| complexes |  |"
    assert markdown_table(["prior"], []) == "| prior |\n|---|"


def test_a_table_is_kept_with_its_note(tmp_path):
    table = Table(["prior", "CD (Å)"], [["chairs", "0.82"]], "Lower is better.")
    table.save(tmp_path / "kept" / "table.json")
    again = Table.load(tmp_path / "kept" / "table.json")
    assert str(again) == str(table) == f"{table.markdown}\n\nLower is better." == table._repr_markdown_()
    assert str(Table(["a"], [["1"]])) == "| a |\n|---|\n| 1 |"
