"""What the notebooks stand on: the miniature world, studies, plots, the batch and the command line. Imports lowtex."""
