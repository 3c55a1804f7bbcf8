"""The depth metrics by their short name; `lowtex.evaluation.metrics` holds them."""

from lowtex.evaluation.metrics import LABELS, METRICS, UNITS, depth_errors

__all__ = ["LABELS", "METRICS", "UNITS", "depth_errors"]
