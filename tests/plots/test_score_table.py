import re

import torch

from dpskit.evaluation.scores import Scores
from dpskit.plots import score_table


def cells(html):
    """The rows of the table, each a list of what its cells hold."""
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


def test_means_deviations_and_the_best_of_each_column():
    good = Scores(torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.3]), torch.tensor([0.004, 0.004]), None)
    bad = Scores(torch.tensor([0.2, 0.4]), torch.tensor([0.1, 0.1]), None, None)
    head, *rows = cells(score_table({"mine": good, "theirs": bad}).data)
    table = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    cd, emd, energy = list(good.columns())
    assert table["mine"][cd].startswith("<b>15.00 ± ") and table["theirs"][cd].startswith("30.00 ± ")
    assert table["mine"][emd] == "30.00 ± 0.00" and table["theirs"][emd] == "<b>10.00 ± 0.00</b>"
    assert table["theirs"][energy] == "–" and table["mine"][energy] == "<b>4.00 ± 0.00</b>"
