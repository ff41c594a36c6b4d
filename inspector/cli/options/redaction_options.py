"""The options --redact and --redact-key of every command that records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, dir_okay=False)


def redaction_options(
    default: str = "secrets", levels: tuple[str, ...] = ("secrets", "personal", "none")
) -> Callable[[Any], Any]:
    """Return a decorator that gives a command --redact and --redact-key, as parameters `redact` and `redact_key`."""

    def decorate(command: Any) -> Any:
        what = "Hide only credentials (secrets); also id tokens, VINs and SIM numbers (personal)"
        nothing = "; or nothing (none)." if "none" in levels else "."
        command = click.option(
            "--redact-key",
            type=FILE,
            metavar="FILE",
            help="Key of the pseudonyms for --redact personal; made if it does not exist. "
            "[default: pseudonym.key in the user's state folder]",
        )(command)
        return click.option(
            "--redact", type=click.Choice(levels), default=default, show_default=True, help=what + nothing
        )(command)

    return decorate


def redaction_arguments(level: str, key_file: Path | None, rules_file: Path | None) -> dict[str, Any]:
    """Return the arguments of `inspector.redaction.redactor.Redactor` for these options.

    Prints the name of the key file on stderr.

    Raises:
        UserMistake: the key file or the rules file is not valid, or --redact-key has no effect.
    """
    from dataclasses import asdict

    from inspector.errors import UserMistake
    from inspector.redaction.pseudonyms import Pseudonyms, read_key
    from inspector.redaction.sensitive_names import load

    if key_file is not None and level != "personal":
        raise UserMistake("--redact-key needs --redact personal: only pseudonyms have a key")
    if level == "none":
        click.echo("WARNING: --redact none: passwords, PINs and keys are stored as they are", err=True)
    arguments: dict[str, Any] = {"level": level, **(asdict(load(rules_file)) if rules_file else {})}
    if level == "personal":
        key = read_key(key_file)
        made = ", made now: keep it, and do not share it with the recording" if key.made else ""
        click.echo(f"pseudonyms use the key {Pseudonyms(key.key).key_name} in {key.path}{made}", err=True)
        if key.readable_by_others:
            click.echo(f"WARNING: other users of this machine can read {key.path}; run chmod 600 on it", err=True)
        arguments["key"] = key.key
    return arguments
