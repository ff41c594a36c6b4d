"""The options that say what counts as a difference, for `replay`, `diff` and `shadow report`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def comparison_options[F: Callable[..., Any]](command: F) -> F:
    """Add --match (`mode`) and --policy."""
    policy = click.option(
        "--policy", type=click.Path(path_type=Path, dir_okay=False), help="TOML file that names what may differ."
    )
    match = click.option(
        "--match",
        "mode",
        type=click.Choice(["strict", "semantic", "shape"]),
        default="semantic",
        show_default=True,
        help="What counts as a difference; see docs/replay.md.",
    )
    return match(policy(command))
