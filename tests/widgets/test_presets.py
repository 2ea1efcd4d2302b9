from dpskit.widgets.presets import presets, values_of

PRIORS, TARGETS = ["chairs", "complexes", "mine"], ["chair", "ruvab"]


def test_every_row_of_the_paper_is_there():
    rows = [name for name in presets() if name.startswith("Table 1")]
    assert len(rows) == 12 and len([name for name in presets() if name.startswith("A.4.")]) == 7


def test_row_seven_sets_two_projections_and_a_part():
    values = values_of("Table 1, row 7: chairs", PRIORS, TARGETS)
    assert values["n_views"] == 2 and values["view_points"] == 200 and values["share"] == 0.25  # 256 of 1,024 points
    assert values["alpha"] == 4000 and values["cutoff"] == 0.15 and values["n_steps"] == 40
    assert values["prior"] == "chairs" and values["target"] == "chair" and "coarse_points" not in values


def test_a_prior_and_a_target_that_are_not_there_stay_as_they_were():
    values = values_of("Table 1, row 8: shapes", PRIORS, TARGETS)
    assert "prior" not in values and "target" not in values
    assert values_of("A.4.6: complexes", PRIORS, TARGETS)["coarse_points"] == 40
