"""Turn records of log services and APIs (JSON objects, rows of tables) into the texts and frames in them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from inspector.formats.logs import decomposed, extents, identities
from inspector.formats.logs.members import WAY_OF_NAME, Members
from inspector.formats.logs.seen import NOTHING, Around, Text
from inspector.protocol.vocabulary import EVERY_ACTION

_FRAME_LIKE = re.compile(r"\[\s*-?\d{1,4}\s*,\s*(?:\\*[\"']|-?\d|$)")
_ARRAY = re.compile(r"\[\s*-?\d{1,4}\s*,")
_MESSAGES = frozenset(
    "message msg log line text body content event data textpayload raw _raw rawmessage payload frame".split()
)
_BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')
_NANOSECONDS = re.compile(r"\d{16,19}")
_UNHARMED = re.compile(r"^'(?=[=+\-@\t\r])")
_DEEPEST = 30
_KINDS = ("messagetypeid", "messagetype", "ocppmessagetype", "type", "kind", "rpctype")
_MESSAGE_IDS = ("uniqueid", "messageid", "ocppmessageid", "msgid", "correlationid", "requestid", "callid", "id")
_ACTIONS = ("action", "method", "messagename", "command", "ocppaction", "name")
_PAYLOADS = ("payload", "data", "body", "params", "request", "response", "content")


class Records:
    """Find texts and frames in records."""

    def __init__(self) -> None:
        self._members = Members()

    def texts(self, value: Any, raw: str, number: int, outer: Around = NOTHING) -> Iterator[Text]:
        """Yield the frames of a record, and the texts that may contain some.

        Args:
            value: the record.
            raw: the JSON text of the record, to copy frames from it digit for digit.
            number: the line where `raw` begins.
            outer: the facts in the text around the record.
        """
        yield from _Walk(self._members, raw, number).walk(value, outer, 0)

    def row(self, row: dict[str, str], number: int) -> Iterator[Text]:
        """Yield the frames and texts of a row of a table, whose values are all texts."""
        row = {name: _UNHARMED.sub("", value) for name, value in row.items() if value}
        around = self._members.around(row)
        if exact := row.pop("raw_base64", ""):  # a CSV export of this program: the exact bytes
            with suppress(ValueError):
                row["raw"] = base64.b64decode(exact, validate=True).decode("utf-8", "surrogateescape")
        name = row.get("id", "")
        if around.charge_point is None and identities.is_likely(name) and not _names_message(row, name):
            around = around._replace(charge_point=name)
        if row.get("raw") and "ts_ns" in row:
            yield Text(number, row["raw"], around, frame=True)
            return
        found = [value for value in row.values() if value and _FRAME_LIKE.search(value)]
        for value in found[:1] or [
            value for name, value in row.items() if value and name.lower().strip("@") in _MESSAGES
        ]:
            yield Text(number, value, around)
        if not found and (built := _built(row)) is not None:
            yield Text(number, built, around, frame=True)


class _Walk:
    def __init__(self, members: Members, raw: str, number: int) -> None:
        self._members, self._raw, self._number = members, raw, number
        self._place = 0
        self._counted = 0

    def walk(self, value: Any, around: Around, depth: int) -> Iterator[Text]:
        if depth > _DEEPEST:
            return
        if type(value) is list:
            if (
                len(value) > 2
                and type(value[0]) is int
                and type(value[1]) in (str, int)
                and type(value[2]) in (str, dict)
            ):
                raw = self._slice(value)
                yield Text(self._line(), raw, around, frame=True)
            elif value and all(type(item) is dict and {"field", "value"} <= item.keys() for item in value):
                yield from self.walk({str(item["field"]): item["value"] for item in value}, around, depth + 1)
            elif (
                len(value) > 1 and type(value[0]) is str and type(value[1]) is str and _NANOSECONDS.fullmatch(value[0])
            ):
                yield from self._text(value[1], Around(self._members.time(value[0])).over(around), depth)
            else:
                for item in value:
                    if type(item) is str:
                        yield from self._text(item, around, depth)
                    else:
                        yield from self.walk(item, around, depth + 1)
        elif type(value) is dict:
            around = self._members.around(value).over(self._beside(value)).over(around)
            inner = [text for name, member in value.items() for text in self._member(name, member, around, depth)]
            inner = _once(inner)
            if not any(text.frame or _FRAME_LIKE.search(text.text) for text in inner) and (built := _built(value)):
                yield Text(self._line(), built, around, frame=True)
            else:
                yield from inner

    def _beside(self, value: dict[str, Any]) -> Around:
        """Return the facts in objects next to a frame: labels, attributes, the layers of a packet."""
        beside = NOTHING
        for member in value.values():
            if type(member) is dict and len(member) < 200:
                beside = beside.over(self._members.around(member))
        return beside

    def _member(self, name: str, value: Any, around: Around, depth: int) -> Iterator[Text]:
        if _FRAME_LIKE.search(name):
            yield Text(self._line(), name, around)
        if (way := WAY_OF_NAME.get(name.lower().strip("@_"))) is not None:
            around = around._replace(way=way)
        if type(value) is str:
            if _FRAME_LIKE.search(value) or name.lower().strip("@") in _MESSAGES:
                yield from self._text(value, around, depth)
        else:
            yield from self.walk(value, around, depth + 1)

    def _text(self, value: str, around: Around, depth: int) -> Iterator[Text]:
        stripped = value.strip()
        if stripped[:1] == "{" and stripped[-1:] == "}":
            try:
                inner = json.loads(stripped)
            except (ValueError, RecursionError):
                inner = None
            if type(inner) is dict:
                yield from _Walk(self._members, stripped, self._line(stripped)).walk(inner, around, depth + 1)
                return
        number = self._line(value)
        for line in value.split("\n"):
            if line.strip():
                yield Text(number, line.rstrip("\r"), around)

    def _line(self, value: str = "") -> int:
        """Return the line of a text; if it is not found verbatim, the line of the previous text."""
        if value and "\n" in self._raw:
            found = self._raw.find(json.dumps(value[:60], ensure_ascii=False)[1:-1], self._place)
            self._place = found if found >= 0 else self._place
        self._number += self._raw.count("\n", self._counted, self._place)
        self._counted = max(self._counted, self._place)
        return self._number

    def _slice(self, value: list[Any]) -> str:
        """Return the JSON text of an array as in the input, without line breaks and indentation."""
        for found in _ARRAY.finditer(self._raw, self._place):
            extent = extents.at(self._raw, found.start())
            if extent.state is extents.WHOLE and extent.message == value:
                self._place = found.start()
                return _BLANKS.sub(r"\1", extent.raw) if "\n" in extent.raw else extent.raw
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _names_message(row: dict[str, str], name: str) -> bool:
    """Return whether an id in a row is the id of the message in it."""
    return any(f'"{name}"' in value for value in row.values())


def _once(texts: list[Text]) -> list[Text]:
    """Return the texts of one record, without duplicates and without texts that are the beginning of another one."""
    if len(texts) < 2:
        return texts
    kept: list[Text] = []
    for text in texts:
        bare = text.text.replace("[truncated]", "").strip().removesuffix("...")
        if not any(bare and other.text.startswith(bare) and _FRAME_LIKE.match(bare) for other in kept):
            kept.append(text)
    return kept


def _built(record: dict[str, Any]) -> str | None:
    """Return the frame whose parts are members of a record; None if a part is missing."""
    plain = {re.sub(r"[^a-z]", "", name.lower()): value for name, value in record.items()}
    number = next(
        (plain[name] for name in _MESSAGE_IDS if type(plain.get(name)) in (str, int) and plain[name] != ""), None
    )
    payload = next((plain[name] for name in _PAYLOADS if name in plain and plain[name] not in (None, "")), None)
    if type(payload) is str:
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError):
            return None
    action = next((plain[name] for name in _ACTIONS if plain.get(name) in EVERY_ACTION), None)
    kind = next((kind for name in _KINDS if (kind := decomposed.kind_of(plain.get(name))) is not None), None)
    if number is None or type(payload) not in (dict, list) or kind is None:
        return None
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return decomposed.build(kind, str(number), action, text, payload)
