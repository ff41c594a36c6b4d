"""The options --redact and --redact-key of every command that records; knows no frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, dir_okay=False)


def redaction_options(
    default: str = "secrets", levels: tuple[str, ...] = ("secrets", "personal", "none")
) -> Callable[[Any], Any]:
    """Give a command --redact and --redact-key, as the parameters `redact` and `redact_key`."""

    def decorate(command: Any) -> Any:
        what = "What is hidden before anything is stored: credentials (secrets), also tokens, VINs and SIM numbers"
        nothing = " (personal), or nothing (none)." if "none" in levels else " (personal)."
        command = click.option(
            "--redact-key",
            type=FILE,
            metavar="FILE",
            help="Key of the pseudonyms of --redact personal; made where it does not exist. "
            "[default: pseudonym.key in the user's state folder]",
        )(command)
        return click.option(
            "--redact", type=click.Choice(levels), default=default, show_default=True, help=what + nothing
        )(command)

    return decorate


def redaction_arguments(level: str, key_file: Path | None, rules_file: Path | None) -> dict[str, Any]:
    """The arguments of `inspector.redaction.redactor.Redactor` that the options mean; names the key on stderr.

    Raises:
        UserMistake: a key file that holds none, a rules file that says what cannot be, --redact-key without use.
    """
    from dataclasses import asdict

    from inspector.errors import UserMistake
    from inspector.redaction.pseudonyms import Pseudonyms, read_key
    from inspector.redaction.sensitive_names import load

    if key_file is not None and level != "personal":
        raise UserMistake("--redact-key is the key of pseudonyms; it needs --redact personal")
    if level == "none":
        click.echo("WARNING: --redact none: passwords, PINs and keys are stored as they are", err=True)
    arguments: dict[str, Any] = {"level": level, **(asdict(load(rules_file)) if rules_file else {})}
    if level == "personal":
        key = read_key(key_file)
        made = ", made now: keep it, and keep it from those who get the recording" if key.made else ""
        click.echo(f"pseudonyms with the key {Pseudonyms(key.key).key_name} in {key.path}{made}", err=True)
        if key.readable_by_others:
            click.echo(f"WARNING: others on this machine can read {key.path}; see chmod 600", err=True)
        arguments["key"] = key.key
    return arguments
