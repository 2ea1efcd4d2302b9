"""Colours that colour-blind readers can tell apart, shared by all pictures."""

SAMPLE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""For things of different kinds (Okabe and Ito): samples are blue, maximum likelihood is vermilion."""
SAMPLE_COLOUR, BASELINE_COLOUR = SAMPLE_COLOURS[0], SAMPLE_COLOURS[-1]

SPREAD_COLOURS = ("#00224e", "#575d6d", "#a59c74", "#fee838")
"""Cividis, from small to large."""
