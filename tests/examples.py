"""How many examples hypothesis tries: a fraction in `make test`, all in `make proof`."""

from __future__ import annotations

import os

import hypothesis

ALL = os.environ.get("HYPOTHESIS_EXAMPLES") == "all"
SHARE = 4
"""`make test` tries one example in so many."""
CHANCE = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]
"""Checks that measure the machine or the luck of the strategy, not the code."""


def examples(count: int) -> int:
    """Return how many of `count` examples this run tries."""
    return count if ALL else -(-count // SHARE)


def load_profile() -> None:
    """Set the defaults for all tests without settings of their own."""
    count = examples(hypothesis.settings.default.max_examples)  # type: ignore[union-attr]
    hypothesis.settings.register_profile("tests", max_examples=count, deadline=None, suppress_health_check=CHANCE)
    hypothesis.settings.load_profile("tests")
