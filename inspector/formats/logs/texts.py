"""Turn the lines of an input into texts: decode them, and remove colours and the marks of mails and chats."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise

from inspector.formats.logs import pretty_printed
from inspector.formats.logs.extents import Scan
from inspector.formats.logs.gathering import TYPE_LINE, Source
from inspector.formats.logs.records import Records
from inspector.formats.logs.seen import Text
from inspector.formats.logs.surroundings import Surroundings

PIECE = 256 * 1024
"""The most bytes of a piece; longer lines are processed in several pieces."""
_LOOKED_AT = 300
_BRACKETS = 1000
"""How many brackets at the end of a piece are tried as the beginning of a frame."""
_LINES = 20_000
"""The most lines of a pretty-printed frame."""
_DOCUMENT = 4 * 1024 * 1024
"""The most characters of a JSON document that is read at once; a larger one is read record by record."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_FRAME = re.compile(r"\[\s*[1-9]\s*,\s*[\\\"'\u201c\u201d\d]")
_MARKDOWN = re.compile(r"\\\[\s*[2-6]\s*,")
_BACKSLASH = re.compile(r"\\([\[\]_*`#<>{}()!.+-])")
_QUOTE = re.compile(r"\s*>[>\s]*")
_ONE_QUOTE = re.compile(r"\s*>+ ?")
_ARROW = re.compile(r"\s*<\s*\[")
_NUMBER = re.compile(r"\s*(?:L|#|line )?(\d{1,7})(?:[:.)|\u2192](?!\d\d:\d|\d)|\t|\s{2,}(?=\S)|\s*[|\u2502]) ?")
_FENCE = re.compile(r"\s*(?:```|~~~)[\w -]*$")
_BEGINS_JSON = re.compile(r"\s*(?:\{\s*(?:\"|$|\})|\[\s*(?:\{|\[|\"|$))")
_LIST = re.compile(r"\[\s*\{\s*\"")
_DECODE = json.JSONDecoder(strict=False).raw_decode
_OBJECT = re.compile(r"\{\s*\"")
_HEADERS = frozenset(
    """time timestamp date datetime ts direction dir message msg raw frame payload body content log line text action
    charge_point chargepoint charge_point_id chargepointid cp_id cpid station stationid identity session session_id type
    message_id
    @timestamp @message _raw _time raw_base64 ocpp_version version""".split()
)


def decoded(lines: Iterable[bytes]) -> Iterator[Text]:
    """Yield the lines as text; a piece without a line end continues in the next text."""
    held, carried = None, ""
    for number, line in pretty_printed.joined(_numbered(lines)):
        if held is not None:
            yield held
        text = carried + line.decode("utf-8", "surrogateescape")
        carried = ""
        if number == 1:
            text = text.removeprefix("\ufeff")
        whole = text.endswith("\n")
        text = text.rstrip("\r\n")
        if "\x1b" in text:
            text = _ANSI.sub("", text)
        if "\\[" in text and _MARKDOWN.search(text):
            text = _BACKSLASH.sub(r"\1", text)
        if "\x00" in text and not _FRAME.search(text):
            text = text.replace("\x00", "")
        if not whole and (end := _last_frame(text)):
            text, carried = text[:end], text[end:]
        held = Text(number, text, partial=not whole)
    if held is not None:
        yield held._replace(text=held.text + carried, partial=False)


def _last_frame(piece: str) -> int:
    """Return where to cut a piece of a long line: before its last frame, which may continue in the next piece."""
    at = len(piece)
    for _ in range(_BRACKETS):
        at = piece.rfind("[", 0, at)
        if at <= 0:
            return 0
        if _FRAME.match(piece, at):
            return piece.rfind("]", 0, at) + 1
    return 0


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    number, whole = 0, True
    for line in lines:
        number += whole
        whole = line.endswith(b"\n")
        yield number, line


def undone(texts: Iterable[Text]) -> Iterator[Text]:
    """Yield the lines without quotation marks of mails, line numbers and code fences, if the first lines have them."""
    source = iter(texts)
    first = list(islice(source, _LOOKED_AT))
    quoted = _is_quoted(first)
    strip_quote = _ONE_QUOTE if any(re.match(r"\s*>+ ?<\s*\[", text.text) for text in first) else _QUOTE
    bare = [text._replace(text=strip_quote.sub("", text.text, count=1)) if quoted else text for text in first]
    numbered = _is_numbered(bare)
    if not quoted and not numbered:
        yield from (
            text
            for text in chain(first, source)
            if text.text[:5].lstrip()[:1] not in "`~" or not _FENCE.match(text.text)
        )
        return
    for text in chain(first, source):
        line = text.text
        if quoted:
            line = strip_quote.sub("", line, count=1)
        if numbered and (found := _NUMBER.match(line)):
            line = line[found.end() :]
        if not _FENCE.match(line):
            yield text._replace(text=line)


def _is_quoted(texts: list[Text]) -> bool:
    """Return whether `>` marks quoted lines of a mail; as an arrow, only the lines of one side would have it."""
    lines = [text.text for text in texts if _QUOTE.match(text.text)]
    if not lines or any(_ARROW.match(text.text) for text in texts):
        return False
    inside = [_QUOTE.sub("", line, count=1) for line in lines]
    if any(not line.strip() for line in inside) or any(re.match(r"\s*>\s*>", line) for line in lines):
        return True
    kinds = {found[0].lstrip("[ ")[0] for line in inside if (found := _FRAME.search(line))}
    nested = any(re.match(r"<\s*\[", line) for line in inside)
    return nested or ("2" in kinds and "3" in kinds and _answers_itself(inside))


def _answers_itself(lines: list[str]) -> bool:
    found = [re.search(r"\[\s*([23])\s*,\s*[\"']([^\"']*)[\"']", line) for line in lines]
    ids = {kind: {one[2] for one in found if one and one[1] == kind} for kind in "23"}
    return not ids["2"].isdisjoint(ids["3"])


def _is_numbered(texts: list[Text]) -> bool:
    numbers = [int(found[1]) if (found := _NUMBER.match(text.text)) else None for text in texts if text.text.strip()]
    known = [number for number in numbers if number is not None]
    steps = sum(later - earlier == 1 for earlier, later in pairwise(known))
    return len(known) >= 3 and steps >= 0.7 * (len(known) - 1) and 2 * len(known) > len(numbers)


class Unpacking:
    """Replace lines that contain records by the texts in the records."""

    def __init__(self) -> None:
        self._records = Records()
        self._surroundings = Surroundings()
        self._read = self._wasted = 0

    def texts(self, texts: Iterable[Text]) -> Iterator[Text]:
        """Yield all texts in the order of the input."""
        source = Source(iter(texts))
        first = source.peek()
        if first is not None and (separator := _separator(first.text)):
            yield from self._rows(source, separator)
            return
        for text in source:
            self._read += len(text.text)
            line = text.text
            if "{" not in line and "[" not in line:
                yield text
                continue
            if (found := _OBJECT.search(line)) and line.rstrip(" ,;").endswith("}") and not text.partial:
                record = line[found.start() :].rstrip(" ,;")
                value = _loaded(record)
                if type(value) is dict and not _FRAME.search(line, 0, found.start()):
                    outer = self._surroundings.read(line[: found.start()]).around if found.start() else text.around
                    inner = list(self._records.texts(value, record, text.number, outer))
                    if _is_record(inner):
                        yield from inner
                        continue
            if line[-1:] in ("[", "{", ",") and (_FRAME.search(line) or self._is_frame(line, source)):
                yield text
                yield from _continued(line, source)
                continue
            if _BEGINS_JSON.match(line) and not _FRAME.match(line.strip()) and not self._is_frame(line, source):
                document = self._long_document(text, source) if text.partial else self._document(text, source)
                if document is not None:
                    yield from document
                    continue
            yield text

    def _rows(self, source: Source, separator: str) -> Iterator[Text]:
        header: list[str] | None = None
        number = 0
        place = [0]

        def lines() -> Iterator[str]:
            for text in source:
                place[0] = text.number
                yield text.text + "\n"

        csv.field_size_limit(64 * 1024 * 1024)
        try:
            for row in csv.reader(lines(), delimiter=separator):
                if header is None:
                    header = row
                elif row:
                    yield from self._records.row(dict(zip(header, row, strict=False)), number + 1)
                number = place[0]
        except csv.Error:
            return

    @staticmethod
    def _is_frame(line: str, source: Source) -> bool:
        """Return whether a bracket alone on its line begins a frame instead of a document."""
        if line.strip() != "[":
            return False
        following = source.peek()
        return following is not None and TYPE_LINE.match(following.text) is not None

    def _long_document(self, text: Text, source: Source) -> Iterator[Text] | None:
        """Return the texts of a document in one long line, record by record; None if it has no list of records."""
        found = _LIST.search(text.text)
        return None if found is None else self._listed(text, found.end() - 1, source)

    def _listed(self, text: Text, place: int, source: Source) -> Iterator[Text]:
        left, partial = text.text, text.partial
        while True:
            place += len(left[place : place + 100]) - len(left[place : place + 100].lstrip(", \t"))
            try:
                value, end = _DECODE(left, place)
            except (ValueError, RecursionError):
                if not partial or len(left) - place > _DOCUMENT:
                    yield text._replace(text=left[place:], partial=partial)
                    return
                following = source.next()
                if following is None:
                    return
                left, place, partial = left[place:] + following.text, 0, following.partial
                continue
            raw = left[place:end]
            yield from self._records.texts(value, raw, text.number, text.around)
            place = end

    def _document(self, text: Text, source: Source) -> Iterator[Text] | None:
        """Return the texts of a JSON document that spans lines; None if there is no such document."""
        if self._wasted > 4 * self._read + 4 * _DOCUMENT:
            return None
        scan, pieces, taken, size = Scan(), [text.text], [], len(text.text)
        end = scan.feed(text.text)
        partial = text.partial
        while end is None and size < _DOCUMENT and not scan.crossed:
            following = source.next()
            if following is None:
                break
            taken.append(following)
            end = scan.feed(following.text)
            pieces.append(following.text if partial else "\n" + following.text)
            partial = following.partial
            size += len(following.text) + 1
        raw = "".join(pieces)
        start = len(raw) - len(raw.lstrip())
        value = None
        if end is not None and not scan.crossed:
            tail = len(pieces[-1].lstrip("\n")) - end
            if not raw[len(raw) - tail :].strip(" ,;\t"):  # otherwise it is only a part, such as the payload of a frame
                value = _loaded(raw[start : len(raw) - tail])
        if type(value) in (dict, list):
            inner = list(self._records.texts(value, raw, text.number, text.around))
            if _is_record(inner):
                return iter(inner)
        self._wasted += size
        source.put_back(taken)
        return None


def _continued(line: str, source: Source) -> Iterator[Text]:
    """Yield the other lines of a pretty-printed frame unchanged, as the objects in it are not records."""
    scan = Scan()
    found = _FRAME.search(line)
    if scan.feed(line, found.start() if found else line.rindex("[")) is not None:
        return
    for _ in range(_LINES):
        if scan.in_string or scan.crossed or (text := source.next()) is None:
            return
        yield text
        if scan.feed(text.text) is not None:
            return


def _is_record(texts: list[Text]) -> bool:
    """Return whether an object is a record that contains a message, and not a piece of a frame."""
    return any(text.frame or text.around.when is not None or _FRAME.search(text.text) for text in texts)


def _loaded(raw: str) -> object:
    try:
        return json.loads(raw, strict=False)
    except (ValueError, RecursionError):
        return None


def _separator(line: str) -> str | None:
    """Return the column separator if a line is the header of a table of messages."""
    if _FRAME.search(line) or len(line) > 2000:
        return None
    for separator in (",", ";", "\t", "|"):
        names = [name.strip(" \"'").lower().replace(" ", "_") for name in line.split(separator)]
        if len(names) > 1 and sum(name in _HEADERS for name in names) >= 2:
            return separator
    return None
