"""The errors of a predicted depth, by the name that the outside calls: ``lowtex.metrics.depth_errors``."""

from lowtex.evaluation.metrics import depth_errors as depth_errors
