from dpskit.markdown import markdown_table


def test_a_line_for_the_names_a_rule_and_one_for_each_row():
    rows = (row for row in (["chairs", "0.82"], ("complexes", "")))
    assert markdown_table(["prior", "CD"], rows) == "| prior | CD |\n|---|---|\n| chairs | 0.82 |\n| complexes |  |"
    assert markdown_table(["prior"], []) == "| prior |\n|---|"
