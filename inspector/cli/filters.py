"""The filters that `sessions`, `search`, `tail` and `show` share: options in, `Filter` out; asks no recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from inspector.cli.moments import Moment
from inspector.errors import UnusableFile
from inspector.protocol.vocabulary import OcppVersion
from inspector.store.filter import SEVERITIES, UNREADABLE, Filter

TYPES = {"CALL": 2, "CALLRESULT": 3, "CALLERROR": 4, "CALLRESULTERROR": 5, "SEND": 6, "unreadable": UNREADABLE}
DIRECTIONS = {"charge-point": "cp-to-csms", "csms": "csms-to-cp"}

RECORDING = click.argument("file", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")

type Command = Callable[..., Any]

_OF_SESSIONS = (
    click.option(
        "--charge-point", "charge_points", multiple=True, metavar="ID", help="A charge point's id; * and ? match many."
    ),
    click.option(
        "--ocpp", "versions", multiple=True, type=click.Choice([v.value for v in OcppVersion]), help="Version."
    ),
)
_OF_TIME = (
    click.option(
        "--since", "since_ns", type=Moment(), help="From then on: 10m, 2h, 3d (ago) or 2026-01-01T10:00 (UTC)."
    ),
    click.option("--until", "until_ns", type=Moment(), help="Up to then; written like --since."),
)
_OF_FINDINGS = (
    click.option("--severity", type=click.Choice(SEVERITIES[::-1]), help="With a finding at least this bad."),
    click.option(
        "--rule", "rules", multiple=True, metavar="RULE", help="With a finding of this rule; payload.* is many."
    ),
)
_OF_CHARGING = (
    click.option("--id-token", "id_tokens", multiple=True, metavar="TOKEN", help="With this id token or idTag."),
    click.option(
        "--redact-key",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Find --id-token by its pseudonym under this key too. [default: pseudonym.key in the user's state folder]",
    ),
    click.option("--transaction", metavar="ID", help="Of this transaction, by its OCPP id."),
)
_OF_FRAMES = (
    click.option(
        "--action", "actions", multiple=True, metavar="NAME", help="An action, with its answers; Boot* is many."
    ),
    click.option("--from", "sender", type=click.Choice(list(DIRECTIONS)), help="Sent by this side."),
    click.option(
        "--type",
        "message_types",
        multiple=True,
        type=click.Choice(list(TYPES), case_sensitive=False),
        help="Kind of message.",
    ),
    click.option("--message-id", metavar="ID", help="With this message id."),
)
_TEXT = (click.option("--text", metavar="TEXT", help="With this text anywhere; letters match in either case."),)


def session_filters(command: Command) -> Command:
    """Add the filters that choose sessions."""
    return _with(command, _OF_SESSIONS, _OF_TIME, _OF_FINDINGS, _OF_CHARGING)


def frame_filters(command: Command) -> Command:
    """Add the filters that choose frames of any session; a text is the command's own argument."""
    return _with(command, _OF_SESSIONS, _OF_TIME, _OF_FRAMES, _OF_FINDINGS, _OF_CHARGING)


def live_filters(command: Command) -> Command:
    """Add the filters that choose frames as they come."""
    return _with(command, _OF_SESSIONS, _OF_FRAMES, _OF_FINDINGS, _OF_CHARGING, _TEXT)


def inner_filters(command: Command) -> Command:
    """Add the filters that choose frames within one session."""
    return _with(command, _OF_TIME, _OF_FRAMES, _OF_FINDINGS, _OF_CHARGING, _TEXT)


def wanted(options: dict[str, Any], sessions: tuple[int, ...] = ()) -> Filter:
    """What the options ask for."""
    return Filter(
        sessions=sessions,
        charge_points=options.get("charge_points", ()),
        versions=options.get("versions", ()),
        since_ns=options.get("since_ns"),
        until_ns=options.get("until_ns"),
        actions=options.get("actions", ()),
        direction=DIRECTIONS[options["sender"]] if options.get("sender") else None,
        message_types=tuple(TYPES[name] for name in options.get("message_types", ())),
        severity=options.get("severity"),
        rules=options.get("rules", ()),
        id_tokens=_with_pseudonyms(options.get("id_tokens", ()), options.get("redact_key")),
        transaction=options.get("transaction"),
        message_id=options.get("message_id"),
        text=options.get("text") or None,
    )


def _with_pseudonyms(tokens: tuple[str, ...], key_file: Path | None) -> tuple[str, ...]:
    """The tokens and how a recording with `--redact personal` has them; no key is made to look for something."""
    if not tokens:
        return ()
    from inspector.redaction.pseudonyms import Pseudonyms, default_path, read_key

    if key_file is not None and not key_file.exists():
        raise UnusableFile(key_file, "no such file", "name the key that the recording was made with")
    path = key_file or default_path()
    if not path.exists():
        return tokens
    pseudonyms = Pseudonyms(read_key(path).key)
    return tuple(dict.fromkeys([*tokens, *map(pseudonyms.of, tokens)]))


def _with(command: Command, *groups: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed([option for group in groups for option in group]):
        command = option(command)
    return command
