"""The yardstick: the same steps, written down as the papers and their formulas say, and as fast as the published code.

`networks` are the networks, `geometry` the view synthesis, `losses` the objective of Monodepth2 and the feature loss of
FeatDepth, `items` one loader item, laser projection and evaluation. Everything is written here from the formulas, and
nothing of it calls the kit's networks, losses or readers, so that a faster kit does not make the yardstick faster. A
step has the operations of Monodepth2's own (in-place activations and sums, each scale's losses on their own) and none
beside them; what that code's loader prepares is prepared once, and freed memory is kept as for the kit.
"""
