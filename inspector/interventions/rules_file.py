"""Read interventions from a TOML file; a mistake is refused with its place and the nearest thing that is known."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from inspector import toml_file
from inspector.errors import SettingsMistake
from inspector.interventions import intervention as kinds
from inspector.interventions.intervention import Change, Comparison, Intervention, Match, Place, Predicate, State, Verb
from inspector.interventions.pointers import parts
from inspector.interventions.templates import unknown_in
from inspector.protocol.vocabulary import EVERY_ACTION, Direction, MessageType

MOST_RULES = 1_000
LARGEST_FILE = 4_000_000
"""Bytes; a raw frame to be sent may be long."""
LONGEST_S = 3_600.0
DEEPEST = 100
"""Levels of a value to be sent."""
_SENDERS = {"charge_point": Direction.FROM_CHARGE_POINT, "csms": Direction.FROM_CSMS}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_CLOSE_CODES = (*range(1000, 1004), *range(1007, 1015))
_HANDSHAKE = ("charge_point", "after", "every", "times", "probability", "seed")


def load(path: Path) -> tuple[Intervention, ...]:
    """Read the rules of a file.

        [[intervention]]
        name = "late-answers"
        match = { charge_point = "CP-7", from = "csms", action = "MeterValues", type = "CALLRESULT", times = 10 }
        do = { delay = "3s" }

    Raises:
        SettingsMistake: The file cannot be read or a rule is wrong; says where and what is known instead.
    """
    if path.is_file() and (size := path.stat().st_size) > LARGEST_FILE:
        raise SettingsMistake(path, "", f"has {size:,} bytes; a rules file may have {LARGEST_FILE:,}")
    return rules_of(toml_file.read(path), path)


def read(text: str, path: Path) -> tuple[Intervention, ...]:
    """Read the rules of a text; `path` is named in mistakes. Raises SettingsMistake as `load` does."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsMistake(path, "", f"not TOML: {error}") from error
    return rules_of(document, path)


def rules_of(document: dict[str, Any], path: Path) -> tuple[Intervention, ...]:
    """Return the rules of a parsed document. Raises SettingsMistake as `load` does."""
    top = _Table(path, "", document)
    top.known("intervention")
    entries = document.get("intervention", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        top.refuse("intervention", "must be written as [[intervention]]")
    if len(entries) > MOST_RULES:
        top.refuse("intervention", f"{len(entries):,} rules; a file may have {MOST_RULES:,}")
    rules: dict[str, Intervention] = {}
    for number, entry in enumerate(entries, 1):
        rule = _intervention(_Table(path, f"intervention {number}", entry))
        if rule.name in rules:
            top.refuse(f"intervention {number}.name", f"{rule.name!r} is the name of an earlier rule")
        rules[rule.name] = rule
    return tuple(rules.values())


def close_of(values: dict[str, Any]) -> tuple[int, str]:
    """Return the code and reason of a close frame that a request asks for. Raises SettingsMistake."""
    close = _close(_Table(Path("close"), "", {"close": values}))
    return close.code, close.reason


class _Table:
    """One table of the file, with its place for mistakes."""

    def __init__(self, path: Path, place: str, values: dict[str, Any]) -> None:
        self.path, self.place, self.values = path, place, values

    def refuse(self, name: str, why: str) -> NoReturn:
        raise SettingsMistake(self.path, ".".join(filter(None, (self.place, name))), why)

    def unknown(self, name: str, what: str, given: str, known: Iterable[str]) -> NoReturn:
        names = sorted(known)
        hint = toml_file.suggest(given, names) or f"known are {', '.join(names[:30])}"
        self.refuse(name, f"unknown {what} {given!r}; {hint}")

    def known(self, *names: str) -> None:
        for name in self.values:
            if name not in names:
                self.unknown("", "key", name, names)

    def table(self, name: str) -> _Table:
        value = self.values.get(name)
        if not isinstance(value, dict):
            self.refuse(name, f"must be a table such as {name} = {{ … }}")
        return _Table(self.path, f"{self.place}.{name}", value)

    def tables(self, name: str) -> list[_Table]:
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.refuse(name, "must be a list of tables such as [{ … }]")
        return [_Table(self.path, f"{self.place}.{name} {number}", one) for number, one in enumerate(value, 1)]

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str):
            self.refuse(name, "missing" if value is None else f"expected a string, got {value!r:.100}")
        return value

    def one_of[T](self, name: str, what: str, known: dict[str, T]) -> T | None:
        """Return what a word stands for, None if it is not given."""
        if name not in self.values:
            return None
        word = self.text(name)
        if word not in known:
            self.unknown(name, what, word, known)
        return known[word]

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.values.get(name, default)
        if type(value) is not int or not low <= value <= high:
            self.refuse(name, f"expected a whole number from {low:,} to {high:,}, got {value!r:.100}")
        return value

    def fraction(self, name: str, default: float) -> float:
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self.refuse(name, f"expected a number from 0 to 1, got {value!r:.100}")
        return float(value)

    def truth(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            self.refuse(name, f"expected true or false, got {value!r:.100}")
        return value

    def seconds(self, name: str, value: Any, most: float = LONGEST_S) -> float:
        found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None or float(found[1]) * _UNITS[found[2]] > most:
            self.refuse(name, f'expected a duration up to {most:g} s such as "3s" or "500ms", got {value!r:.100}')
        return float(found[1]) * _UNITS[found[2]]

    def pointer(self, name: str = "pointer") -> str:
        value = self.text(name)
        try:
            parts(value)
        except ValueError:
            self.refuse(name, f"a JSON pointer begins with a slash, as /idTagInfo/status; got {value!r:.100}")
        return value


def _intervention(entry: _Table) -> Intervention:
    entry.known("name", "match", "do")
    name = entry.text("name")
    if not name or len(name) > 100 or not name.isprintable():
        entry.refuse("name", "expected 1 to 100 printable characters")
    match = _match(entry.table("match")) if "match" in entry.values else Match()
    verb = _verb(entry.table("do"))
    rule = Intervention(name, _for_verb(entry, match, verb), verb, entry.values)
    if rule.refuses_upgrades and (strange := sorted(entry.values.get("match", {}).keys() - set(_HANDSHAKE))):
        entry.refuse(f"match.{strange[0]}", f"a handshake has no {strange[0]}; refuse matches by charge_point only")
    return rule


def _for_verb(entry: _Table, match: Match, verb: Verb) -> Match:
    """Return the match of a rule that answers a CALL, which can only match CALLs."""
    if not isinstance(verb, kinds.Answer | kinds.Error):
        return match
    if match.type not in (None, MessageType.CALL):
        entry.refuse("match.type", f"only a CALL can be answered, not a {match.type.name if match.type else ''}")
    fields = {name: getattr(match, name) for name in Match.__slots__}
    return Match(**{**fields, "type": MessageType.CALL})


def _match(table: _Table) -> Match:
    table.known(
        *("charge_point", "from", "action", "type", "payload", "state", "after", "every", "times"),
        *("probability", "seed"),
    )
    action = table.text("action", "*")
    if action != "*" and action not in EVERY_ACTION:
        table.unknown("action", "action", action, EVERY_ACTION)
    return Match(
        table.text("charge_point", "*"),
        table.one_of("from", "sender", _SENDERS),
        None if action == "*" else action,
        table.one_of("type", "message type", {kind.name: kind for kind in MessageType}),
        tuple(map(_predicate, table.tables("payload"))),
        table.one_of("state", "state", {state.value: state for state in State}),
        table.number("after", 0, 0, 10**9),
        table.number("every", 1, 1, 10**9),
        table.number("times", 1, 1, 10**9) if "times" in table.values else None,
        table.fraction("probability", 1.0),
        table.number("seed", 0, -(2**63), 2**63 - 1),
    )


def _predicate(table: _Table) -> Predicate:
    tests = {test.value: test for test in Comparison}
    table.known("pointer", *tests)
    given = [name for name in tests if name in table.values]
    if len(given) != 1:
        table.refuse("", f"expected one of {', '.join(tests)}")
    test, value = tests[given[0]], table.values[given[0]]
    if test is Comparison.LIKE:
        value = table.text("like")
    elif test is Comparison.EXISTS:
        value = table.truth("exists")
    elif test in (Comparison.ABOVE, Comparison.BELOW) and (
        isinstance(value, bool) or not isinstance(value, int | float)
    ):
        table.refuse(given[0], f"expected a number, got {value!r:.100}")
    return Predicate(table.pointer(), test, value)


def _verb(table: _Table) -> Verb:
    table.known(*_VERBS)
    if len(table.values) != 1:
        said = "expected one verb" if table.values else "missing a verb"
        table.refuse("", f"{said} of {', '.join(_VERBS)}; for more than one write more rules")
    (name,) = table.values
    return _VERBS[name](table)


def _delay(table: _Table) -> Verb:
    value = table.values["delay"]
    limits = value if isinstance(value, list) and len(value) == 2 else [value, value]
    low, high = (table.seconds("delay", one) for one in limits)
    if low > high:
        table.refuse("delay", "the shorter duration comes first")
    return kinds.Delay(low, high)


def _flag(make: Callable[[], Verb]) -> Callable[[_Table], Verb]:
    def read_flag(table: _Table) -> Verb:
        (name,) = table.values
        if table.values[name] is not True:
            table.refuse(name, "expected true")
        return make()

    return read_flag


def _count_or_true(name: str, default: int, make: Callable[[int], Verb]) -> Callable[[_Table], Verb]:
    def read_count(table: _Table) -> Verb:
        return make(default if table.values[name] is True else table.number(name, default, default, 1_000))

    return read_count


def _edit(table: _Table) -> Verb:
    changes = []
    for one in table.tables("edit"):
        one.known("pointer", "value", "remove")
        if one.truth("remove") is ("value" in one.values):
            one.refuse("", "expected either a value or remove = true")
        changes.append(Change(one.pointer(), _written(one, "value"), one.truth("remove")))
    if not changes:
        table.refuse("edit", 'expected changes such as [{ pointer = "/status", value = "Blocked" }]')
    return kinds.Edit(tuple(changes))


def _written(table: _Table, name: str) -> Any:
    """Return a value to send; it must be JSON, and its templates known."""
    value = table.values.get(name)
    for text in _texts_in(table, name, value):
        if (strange := unknown_in(text)) is not None:
            table.unknown(name, "template", strange[0], strange[1])
    return value


def _texts_in(table: _Table, name: str, value: Any) -> Iterable[str]:
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > DEEPEST:
            table.refuse(name, f"has more than {DEEPEST} levels of lists and objects")
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [(inner, depth + 1) for inner in one.values()]
        elif isinstance(one, list):
            waiting += [(inner, depth + 1) for inner in one]
        elif one is not None and not isinstance(one, bool | int | float):
            table.refuse(name, f'JSON has no {type(one).__name__}; write it as a string such as "{one}"')
        elif isinstance(one, float) and not math.isfinite(one):
            table.refuse(name, f"JSON has no {one}; to send it, replace the text of the frame")


def _answer(table: _Table) -> Verb:
    payload = table.table("answer").values
    _written(table, "answer")
    return kinds.Answer(payload)


def _error(table: _Table) -> Verb:
    if isinstance(table.values["error"], str):
        return kinds.Error(table.text("error"))
    said = table.table("error")
    said.known("code", "description", "details")
    details = said.table("details").values if "details" in said.values else None
    _written(said, "details")
    return kinds.Error(said.text("code"), said.text("description", ""), details)


def _hold(table: _Table) -> Verb:
    value = table.values["hold"]
    return kinds.Hold() if value is True else kinds.Hold(table.seconds("hold", value))


def _inject(table: _Table) -> Verb:
    said = table.table("inject")
    said.known("to", "place", "action", "payload", "text", "wait")
    receivers = {"charge_point": Direction.FROM_CSMS, "csms": Direction.FROM_CHARGE_POINT}
    receiver = said.one_of("to", "receiver", receivers)
    if receiver is None:
        said.refuse("to", "missing: charge_point or csms")
    if ("action" in said.values) is ("text" in said.values):
        said.refuse("", "expected either an action with its payload or a text")
    place = said.one_of("place", "place", {place.value: place for place in Place}) or Place.AFTER
    wait_s = said.seconds("wait", said.values["wait"]) if "wait" in said.values else 0.0
    if wait_s and place is not Place.AFTER:
        said.refuse("wait", f"a frame cannot wait and be sent {place.value} the matching one; leave place out")
    if "text" in said.values:
        return kinds.Inject(receiver, place, text=said.text("text"), wait_s=wait_s)
    payload = said.table("payload").values if "payload" in said.values else {}
    _written(said, "payload")
    return kinds.Inject(receiver, place, said.text("action"), payload, wait_s=wait_s)


def _throttle(table: _Table) -> Verb:
    return kinds.Throttle(table.number("throttle", 1, 1, 10**9))


def _close(table: _Table) -> kinds.Close:
    if table.values["close"] is True:
        return kinds.Close()
    if isinstance(table.values["close"], dict):
        said = table.table("close")
        said.known("code", "reason")
    else:
        said = _Table(table.path, f"{table.place}.close", {"code": table.values["close"]})
    code = said.number("code", 1011, 1000, 4999)
    if code not in _CLOSE_CODES and code < 3000:
        said.refuse("code", f"{code} must not be sent (RFC 6455 section 7.4); 1000, 1011 and 4000 may, for example")
    reason = said.text("reason", "")
    if len(reason.encode()) > 123:
        said.refuse("reason", "has more than the 123 bytes that a close frame can hold")
    return kinds.Close(code, reason)


def _refuse(table: _Table) -> Verb:
    if table.values["refuse"] is True:
        return kinds.Refuse()
    if not isinstance(table.values["refuse"], dict):
        return kinds.Refuse(table.number("refuse", 503, 400, 599))
    said = table.table("refuse")
    said.known("status", "for")
    seconds = said.seconds("for", said.values["for"]) if "for" in said.values else None
    return kinds.Refuse(said.number("status", 503, 400, 599), seconds)


def _stall(table: _Table) -> Verb:
    value = table.values["stall"]
    return kinds.Stall() if value is True else kinds.Stall(table.seconds("stall", value))


_VERBS: dict[str, Callable[[_Table], Verb]] = {
    "delay": _delay,
    "drop": _flag(kinds.Drop),
    "duplicate": _count_or_true("duplicate", 2, kinds.Duplicate),
    "reorder": _count_or_true("reorder", 1, kinds.Reorder),
    "edit": _edit,
    "replace": lambda table: kinds.Replace(table.text("replace")),
    "answer": _answer,
    "error": _error,
    "hold": _hold,
    "inject": _inject,
    "throttle": _throttle,
    "close": _close,
    "reset": _flag(kinds.Reset),
    "refuse": _refuse,
    "stall": _stall,
}
