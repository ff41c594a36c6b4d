"""The filter options that `sessions`, `search`, `tail` and `show` share, and their conversion to a `Filter`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from inspector.cli.options.option_types import Moment
from inspector.errors import UnusableFile
from inspector.protocol.vocabulary import OcppVersion
from inspector.store.reading.filter import SEVERITIES, UNREADABLE, Filter

TYPES = {"CALL": 2, "CALLRESULT": 3, "CALLERROR": 4, "CALLRESULTERROR": 5, "SEND": 6, "unreadable": UNREADABLE}
DIRECTIONS = {"charge-point": "cp-to-csms", "csms": "csms-to-cp"}

RECORDING = click.argument("file", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

type Command = Callable[..., Any]

_OF_SESSIONS = (
    click.option(
        "--charge-point",
        "charge_points",
        multiple=True,
        metavar="ID",
        help="Only this charge point; * and ? are wildcards.",
    ),
    click.option(
        "--ocpp",
        "versions",
        multiple=True,
        type=click.Choice([v.value for v in OcppVersion]),
        help="Only this OCPP version.",
    ),
)
_OF_TIME = (
    click.option(
        "--since",
        "since_ns",
        type=Moment(),
        help="Only from this time on: 10m, 2h, 3d (ago) or 2026-01-01T10:00 (UTC).",
    ),
    click.option("--until", "until_ns", type=Moment(), help="Only up to this time; written like --since."),
)
_OF_FINDINGS = (
    click.option("--severity", type=click.Choice(SEVERITIES[::-1]), help="Only with a finding at least this severe."),
    click.option(
        "--rule",
        "rules",
        multiple=True,
        metavar="RULE",
        help="Only with a finding of this rule; payload.* is all of a topic.",
    ),
)
_OF_CHARGING = (
    click.option("--id-token", "id_tokens", multiple=True, metavar="TOKEN", help="Only with this id token or idTag."),
    click.option(
        "--redact-key",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Key to find the pseudonym of --id-token too. [default: pseudonym.key in the user's state folder]",
    ),
    click.option("--transaction", metavar="ID", help="Only this transaction, by its OCPP id."),
)
_OF_FRAMES = (
    click.option(
        "--action",
        "actions",
        multiple=True,
        metavar="NAME",
        help="Only this action, with its answers; Boot* is a pattern.",
    ),
    click.option("--from", "sender", type=click.Choice(list(DIRECTIONS)), help="Only frames from this side."),
    click.option(
        "--type",
        "message_types",
        multiple=True,
        type=click.Choice(list(TYPES), case_sensitive=False),
        help="Only this kind of message.",
    ),
    click.option("--message-id", metavar="ID", help="Only this message id."),
)
_TEXT = (click.option("--text", metavar="TEXT", help="Only frames that contain this text; case does not matter."),)


def session_filters(command: Command) -> Command:
    """Add the filters that choose sessions."""
    return _with(command, _OF_SESSIONS, _OF_TIME, _OF_FINDINGS, _OF_CHARGING)


def frame_filters(command: Command) -> Command:
    """Add the filters that choose frames of any session, without --text: `search` has an argument for it."""
    return _with(command, _OF_SESSIONS, _OF_TIME, _OF_FRAMES, _OF_FINDINGS, _OF_CHARGING)


def live_filters(command: Command) -> Command:
    """Add the filters for new frames."""
    return _with(command, _OF_SESSIONS, _OF_FRAMES, _OF_FINDINGS, _OF_CHARGING, _TEXT)


def inner_filters(command: Command) -> Command:
    """Add the filters that choose frames within one session."""
    return _with(command, _OF_TIME, _OF_FRAMES, _OF_FINDINGS, _OF_CHARGING, _TEXT)


def wanted(options: dict[str, Any], sessions: tuple[int, ...] = ()) -> Filter:
    """Return the filter that the options describe."""
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
    """Return the tokens and the pseudonyms that `--redact personal` gives them; never creates a key file."""
    if not tokens:
        return ()
    from inspector.redaction.pseudonyms import Pseudonyms, default_path, read_key

    if key_file is not None and not key_file.exists():
        raise UnusableFile(key_file, "no such file", "name the key with which the recording was made")
    path = key_file or default_path()
    if not path.exists():
        return tokens
    pseudonyms = Pseudonyms(read_key(path).key)
    return tuple(dict.fromkeys([*tokens, *map(pseudonyms.of, tokens)]))


def _with(command: Command, *groups: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed([option for group in groups for option in group]):
        command = option(command)
    return command
