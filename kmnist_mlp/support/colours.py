"""The project's colours: for figures, and for pictures that are drawn while a network trains.

Okabe and Ito's palette, distinguishable with every common colour vision.
Source: Wong, Nature Methods 8, 441 (2011), doi:10.1038/nmeth.1618.
"""

BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
GREY, PALE = "#595959", "#E4E4E4"  # secondary text and marks; grid lines
RULE, BAND = "#BBBBBB", "#EAF2F8"  # lines between parts; a range behind marks
RED = "#B00020"  # the mark of stand-in data, errors, claims that do not hold
CELL, INPUT, COMPUTED = "#F2F2F2", "#D9EAF5", "#FBE3D6"  # behind numbers: unknown, read, new
ON_DARK, ON_PALE = "#FEFEFE", "#010101"  # numbers on coloured cells, the same in any light
