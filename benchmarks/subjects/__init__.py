"""What is measured. Each module has ``contests(conditions)``; `all_contests` is the list of it all."""

from benchmarks.harness import Conditions, Contest
from benchmarks.subjects import readers, steps, terms, use


def all_contests(conditions: Conditions) -> list[Contest]:
    """Everything that is timed in turn, in the order of the table."""
    return [contest for module in (steps, terms, readers, use) for contest in module.contests(conditions)]
