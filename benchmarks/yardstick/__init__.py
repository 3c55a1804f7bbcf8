"""The yardstick: the same steps, written down as the papers and their formulas say, with no thought of speed.

`networks` are the networks, `geometry` the view synthesis, `losses` the objective of Monodepth2 and the feature loss of
FeatDepth, `items` one loader item, laser projection and evaluation. Everything is written here from the formulas, and
nothing of it calls the kit's networks, losses or readers, so that a faster kit does not make the yardstick faster.
"""
