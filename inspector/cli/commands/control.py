"""The command `control`: change rules, release held frames and send frames in a running proxy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from inspector.cli.options.rule_words import DO_EXAMPLES, deed, edit, json_text
from inspector.errors import UnusableFile, UserMistake
from inspector.escaping import visible
from inspector.proxy.control.access import TOKEN_VARIABLE
from inspector.proxy.control.client import Client

_SHOWN = 400


class _Group(click.Group):
    """A group that suggests the most similar command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args and (close := get_close_matches(args[0], self.commands, 1)):
                raise click.UsageError(f"No such command {args[0]!r}; did you mean {close[0]}?", ctx) from error
            raise


@click.group(
    cls=_Group,
    context_settings={"max_content_width": 100},
    epilog="""\b
Examples: hold the next RemoteStartTransaction, change its id tag, send it on
  chargesentinel control add hold-start hold --from csms --action RemoteStartTransaction --times 1
  chargesentinel control held
  chargesentinel control release 1-7 --edit /idTag=TAG-2

\b
Delay the answers to MeterValues of CP-7 by 3 s, until the rule is removed
  chargesentinel control add late delay=3s --charge-point CP-7 --from csms --action MeterValues
  chargesentinel control remove late

\b
Send a CALL to a charge point in place of its CSMS, and close its session
  chargesentinel control send CP-1 --as csms Reset '{"type":"Soft"}'
  chargesentinel control close CP-1

The proxy must run with --control. It is found by its recording: --db, traffic.db by default.
`chargesentinel control add --help` explains the rules.""",
)
def control() -> None:
    """Steer a running proxy: rules, held frames, sessions, CALLs."""


def _asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that find the proxy."""
    for option in (
        click.option("--url", metavar="URL", help="Address of the control port, instead of --db."),
        click.option(
            "--token",
            envvar=TOKEN_VARIABLE,
            help=f"Token of the control port. Safer in the environment: {TOKEN_VARIABLE}.",
        ),
        click.option(
            "--db",
            type=click.Path(path_type=Path),
            default=Path("traffic.db"),
            show_default=True,
            help="Recording that the proxy writes; the address and the token are in a file beside it.",
        ),
    ):
        command = option(command)
    return command


def _json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def _client(where: dict[str, Any]) -> Client:
    return Client.of(where["db"], where["url"], where["token"])


def _print_json(found: Any) -> None:
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))


def _say(line: str) -> None:
    click.echo(visible(line))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


@control.command(epilog="\b\nExample:\n  chargesentinel control sessions")
@_asking
@_json
def sessions(as_json: bool, **where: Any) -> None:
    """List the open sessions."""
    found = _client(where).ask("GET", ("sessions",))
    if as_json:
        _print_json(found)
        return
    for one in found:
        path = "rules can change it" if one["path"] == "editing" else "on the fast path"
        more = [
            f"OCPP {one['version']}" if one["version"] else "OCPP not known yet",
            f"from {one['remote_addr']}",
            path,
        ]
        more += [f"{one['held']} held"] if one["held"] else []
        more += [f"rules cannot apply: {one['cannot_edit']}"] if one["cannot_edit"] else []
        _say(f"{one['charge_point'] or '?'}  {' · '.join(more)}")
    if not found:
        click.echo("no session is open")


@control.command(epilog="\b\nExample:\n  chargesentinel control rules")
@_asking
@_json
def rules(as_json: bool, **where: Any) -> None:
    """List the rules with how often each was applied."""
    found = _client(where).ask("GET", ("rules",))
    if as_json:
        _print_json(found)
        return
    for one in found:
        state = "" if one["on"] else "  (off)"
        times = f"{one['applied']} time{'s' * (one['applied'] != 1)}"
        _say(f"{one['name']}  applied {times}  match {_short(one['match'])}  do {_short(one['do'])}{state}")
    if not found:
        click.echo("no rule; `chargesentinel control add --help` shows how to add one")


@control.command(
    epilog=f"""\b
Examples:
  chargesentinel control add late delay=3s --charge-point CP-7 --from csms --action MeterValues
  chargesentinel control add no-stop drop --action StopTransaction --type CALL --times 1
  chargesentinel control add --file rules.toml

\b
DO is one of {DO_EXAMPLES}.
A held frame is sent on unchanged after 20 s; hold=60s gives you more time.
docs/interventions.md lists everything that a rule can match and do."""
)
@click.argument("name", required=False)
@click.argument("do", required=False)
@click.option("--charge-point", metavar="PATTERN", help="Only charge points whose id fits, such as CP-*.")
@click.option("--from", "sender", type=click.Choice(["charge-point", "csms"]), help="Only frames of this peer.")
@click.option("--action", help="Only this action, and the answers to it.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["CALL", "CALLRESULT", "CALLERROR", "CALLRESULTERROR", "SEND"], case_sensitive=False),
    help="Only messages of this type.",
)
@click.option("--times", type=click.IntRange(1), help="Only so many times for each charge point.")
@click.option("--file", type=click.Path(path_type=Path, allow_dash=True), help="TOML file with rules; - is stdin.")
@_asking
def add(
    name: str | None,
    do: str | None,
    charge_point: str | None,
    sender: str | None,
    action: str | None,
    kind: str | None,
    times: int | None,
    file: Path | None,
    **where: Any,
) -> None:
    """Add a rule, which applies to running sessions too.

    It applies from their next messages on.
    """
    given = {
        "charge_point": charge_point,
        "from": sender and sender.replace("-", "_"),
        "action": action,
        "type": kind,
        "times": times,
    }
    match = {word: value for word, value in given.items() if value is not None}
    if file is not None:
        if name or do or match:
            raise UserMistake("--file has the whole rules; leave out NAME, DO and the conditions")
        body: dict[str, Any] = {"toml": _text_of(file)}
    elif name is None or do is None:
        raise UserMistake(f"a rule needs a NAME and what it does, DO: {DO_EXAMPLES}; or give --file")
    else:
        body = {"name": name, "match": match, "do": deed(do)}
    answer = _client(where).ask("POST", ("rules",), body)
    _say(f"added {', '.join(answer['added'])}")
    for one, why in answer["cannot_apply_to"].items():
        _say(f"it does not apply to the running session of {one}: {why}; it will when {one} reconnects")


def _text_of(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise UnusableFile(file, f"cannot be read ({(error.strerror or str(error)).lower()})") from None
    except UnicodeDecodeError:
        raise UnusableFile(file, "not UTF-8 text") from None


@control.command(epilog="\b\nExample:\n  chargesentinel control remove late")
@click.argument("name")
@_asking
def remove(name: str, **where: Any) -> None:
    """Remove a rule that was added; frames that it holds stay held."""
    _client(where).ask("DELETE", ("rules", name))
    _say(f"removed {name}")


@control.command(epilog="\b\nExample:\n  chargesentinel control switch late off")
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
@_asking
def switch(name: str, state: str, **where: Any) -> None:
    """Switch a rule on or off; its counts stay."""
    _client(where).ask("PATCH", ("rules", name), {"on": state == "on"})
    _say(f"{name} is {state}")


@control.command(epilog="\b\nExample:\n  chargesentinel control held")
@_asking
@_json
def held(as_json: bool, **where: Any) -> None:
    """List the held frames with their ids and the time they have left."""
    found = _client(where).ask("GET", ("held",))
    if as_json:
        _print_json(found)
        return
    for one in found:
        sender = {"charge_point": "charge point", "csms": "CSMS"}[one["from"]]
        what = f"{one['action'] or ''} {one['type']}".strip()
        _say(f"{one['id']}  {one['charge_point']}  {what} from the {sender}, {one['seconds_left']:.0f} s left")
        _say(f"    {_short(one['text'])}")
    if not found:
        click.echo("no frame is held")


@control.command(
    epilog="""\b
Examples:
  chargesentinel control release 1-7
  chargesentinel control release 1-7 --edit /idTag=TAG-2
  chargesentinel control release 1-7 --payload '{"idTag":"TAG-2"}'"""
)
@click.argument("number", metavar="ID")
@click.option(
    "--edit",
    "edits",
    multiple=True,
    metavar="/POINTER=VALUE",
    help="Change a value of the payload first; repeatable. VALUE is JSON or text; /POINTER= removes it.",
)
@click.option("--payload", metavar="JSON", help="Send it with this payload.")
@click.option("--text", help="Send this text instead, which may be invalid.")
@_asking
def release(number: str, edits: tuple[str, ...], payload: str | None, text: str | None, **where: Any) -> None:
    """Send a held frame on, unchanged or edited."""
    body: dict[str, Any] = {}
    if edits:
        body["edit"] = [edit(one) for one in edits]
    if payload is not None:
        body["payload"] = json_text("--payload", payload)
    if text is not None:
        body["text"] = text
    if len(body) > 1:
        raise UserMistake("give only one of --edit, --payload and --text")
    _client(where).ask("POST", ("held", number, "release"), body)
    _say(f"{number} is sent, edited" if body else f"{number} is sent")


@control.command(epilog="\b\nExample:\n  chargesentinel control drop 1-7")
@click.argument("number", metavar="ID")
@_asking
def drop(number: str, **where: Any) -> None:
    """Do not send a held frame."""
    _client(where).ask("POST", ("held", number, "drop"))
    _say(f"{number} is dropped")


@control.command(
    epilog="""\b
Examples:
  chargesentinel control answer 1-7 '{"status":"Accepted"}'
  chargesentinel control answer 1-7 --error InternalError"""
)
@click.argument("number", metavar="ID")
@click.argument("payload", required=False)
@click.option("--error", metavar="CODE", help="Answer with a CALLERROR that has this code.")
@_asking
def answer(number: str, payload: str | None, error: str | None, **where: Any) -> None:
    """Answer a held CALL; its receiver never sees it."""
    if (payload is None) is (error is None):
        raise UserMistake("give the payload of the answer as JSON, or --error CODE")
    body = {"error": {"code": error}} if payload is None else {"payload": json_text("PAYLOAD", payload)}
    _client(where).ask("POST", ("held", number, "answer"), body)
    _say(f"{number} is answered")


@control.command(
    epilog="""\b
Examples:
  chargesentinel control send CP-1 --as csms Reset '{"type":"Soft"}'
  chargesentinel control send CP-1 --as charge_point Heartbeat
  chargesentinel control send CP-1 --as csms --text '[2,"1","Reset",{}'

Exit code 1: the answer is a CALLERROR, or did not come in time."""
)
@click.argument("charge_point")
@click.option(
    "--as",
    "sender",
    type=click.Choice(["csms", "charge_point"]),
    required=True,
    help="Who seems to send it; the other peer receives it.",
)
@click.argument("action", required=False)
@click.argument("payload", default="{}")
@click.option("--text", help="Send this text frame exactly as written, instead of a CALL.")
@click.option(
    "--seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0.1, 600),
    help="How long to wait for the answer.",
)
@_asking
@_json
def send(
    charge_point: str,
    sender: str,
    action: str | None,
    payload: str,
    text: str | None,
    seconds: float,
    as_json: bool,
    **where: Any,
) -> int:
    """Send a CALL in place of a peer, and print its answer.

    The other peer never sees the answer.
    """
    if (action is None) is (text is None):
        raise UserMistake("give the action of a CALL, or --text")
    if text is not None:
        _client(where).ask("POST", ("sessions", charge_point, "frames"), {"as": sender, "text": text})
        _say("sent")
        return 0
    content = json_text("PAYLOAD", payload)
    body = {"as": sender, "action": action, "payload": content, "seconds": seconds}
    found = _client(where).ask("POST", ("sessions", charge_point, "calls"), body, seconds)
    if as_json:
        _print_json(found)
    elif found["kind"] == "CALLRESULT":
        _say(f"{action} answered: {_short(found['payload'])}")
    elif found["kind"] == "CALLERROR":
        _say(f"{action} answered with the error {found['error_code']}: {found['error_description']}")
    else:
        _say(f"{action}: " + ("no answer came in time" if found["kind"] == "timeout" else "the session ended first"))
    return 0 if found["kind"] == "CALLRESULT" else 1


@control.command(epilog="\b\nExample:\n  chargesentinel control close CP-1 --code 4000 --reason test")
@click.argument("charge_point")
@click.option("--code", default=1011, show_default=True, help="Code of the close frame.")
@click.option("--reason", default="", help="Reason in the close frame.")
@_asking
def close(charge_point: str, code: int, reason: str, **where: Any) -> None:
    """Close a charge point's session with a close frame to both peers."""
    _client(where).ask("POST", ("sessions", charge_point, "close"), {"code": code, "reason": reason})
    _say(f"closed {charge_point}")
