"""Find the frames in the texts of a log, and read the text around each."""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from inspector.formats.logs import connections, decomposed, extents, identities
from inspector.formats.logs.directions import AWAY, IN
from inspector.formats.logs.gathering import TYPE_LINE, Gathering, Source
from inspector.formats.logs.seen import NOTHING, Around, Event, Left, Linked, Seen, Text
from inspector.formats.logs.surroundings import Surroundings
from inspector.formats.reading import Reading
from inspector.protocol.vocabulary import EVERY_ACTION

_START = re.compile(
    r"\[\s{0,20}-?\d{1,4}\s{0,20},\s{0,20}(?:\\*[\"'`]|-?\d|[\u2018\u2019\u201a\u201b\u201c-\u201f\u00ab\u00bb]|<tel:|\[\d|$)"
)
_OPENS = re.compile(r"\[\s*$")
_ERROR = re.compile(
    r"\b(?:ERROR|WARN(?:ING)?|FATAL|CRITICAL)\b|exception|unable to|traceback|failed|cannot|invalid", re.I
)
_CUT_MARK = re.compile(
    r"\s*(?:\.{3,}|\u2026|\[?<?\(?(?:\.{3})?\s*(?:truncated|message truncated|cut|snip|more)"
    r"(?::? ?\d+ ?(?:more )?(?:chars|characters|bytes|b)?)?\)?>?\]?|"
    r"\+\d+ (?:more|chars|bytes).*|\(\d+ (?:more )?(?:chars|characters|bytes)[^)]*\))\s*[\"'`]?\s*$",
    re.I,
)
_ELIDED = re.compile(r"\.\.\.|\u2026")
_SIZE = re.compile(r"[\"']? \[(\d+) bytes\]")
_ANNOUNCED = re.compile(r"^\S+:\s+(?:ChargePoint>CentralSystem|CentralSystem>ChargePoint)(?:\s|$)")
_EMPTY = re.compile(r"^(.*?(?:receiv\w*|recv|sen[dt]\w*|message|[rt]x)\s*:?\s*)[\"'`]{0,2}\s*$", re.I)
_SAID_EMPTY = re.compile(r"\b(?:received|got) (?:an )?empty (?:text )?message\b", re.I)
_DOTS = re.compile(r"[\[(<*\s]*(?:\.{2,}|\u2026|snip|skipped|omitted|\.{3} ?\w+ ?\.{3})[\])>*\s]*$", re.I)
_MARKUP = re.compile(r"<(?:pre|td|code|p|div|li)\b")
_BARE = re.compile(
    r"[\s>*\-#|`\"'.\d]*(?:(?:text|payload|data|message|frame|json)\b)?(?: ?\[truncated\])?[\s:=`\"']*", re.I
)
_QUOTED = {"'": "'", "`": "`", "\u2018": "\u2019"}
_ABOVE = 150
"""How many lines above a frame may contain its time and direction (as many as tshark writes)."""
_LONGEST = 2000
"""The most characters of a line about a connection, or of a line that announces a frame."""
_REMEMBERED = 256
_NEAR = 12
"""If a program logs each frame twice: the most frames between the two lines."""


class Finder:
    """Find the frames, connections and gaps of one log, in the order of its lines.

    Args:
        reading: counts texts that look like frames but are not used.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._surroundings = Surroundings()
        self._forms: set[str] = set()
        self._recent: dict[str, tuple[int, str, str | None, bool | None]] = {}
        self._count = 0
        self._above: deque[str] = deque(maxlen=_ABOVE)
        self._awaited: int | None = None
        self._cut = ""  # the previous frame, if it was cut

    def find(self, texts: Iterable[Text]) -> Iterator[Event]:
        """Yield the events in these texts."""
        source = Source(iter(texts))
        for text in source:
            if text.frame:
                yield from self._told(extents.at(text.text, 0), text, text.around, "", False)
            else:
                yield from self._line(text, source)
        self._unfollowed(None)

    def _line(self, text: Text, source: Source) -> Iterator[Event]:
        line = text.text
        if "&quot;" in line or "&#34;" in line:
            line = html.unescape(line)
        searched = said_from = 0  # where to search for the next frame, and where its prefix begins
        outer, taken = text.around, False
        while (found := _START.search(line, searched)) is not None:
            start = found.start()
            step = self._frame(text, line, start, line[said_from:start], outer, source, taken)
            if step is None:
                searched = start + 1
                continue
            events, end, around = step
            yield from events
            if end is None:
                return
            taken, outer = True, around._replace(way=None)
            searched = said_from = max(end, start + 1)
        if taken:
            return
        if _OPENS.search(line) and self._type_follows(source):
            start = line.rindex("[")
            step = self._frame(text, line, start, line[:start], outer, source, False)
            if step is not None:
                yield from step[0]
                return
        yield from self._other(text, line, source)

    @staticmethod
    def _type_follows(source: Source) -> bool:
        following = source.peek()
        return following is not None and TYPE_LINE.match(following.text) is not None

    def _frame(
        self, text: Text, line: str, start: int, prefix: str, outer: Around, source: Source, again: bool
    ) -> tuple[list[Event], int | None, Around] | None:
        """Return the frame at `start` and its end (None: on a later line); None if it is not a frame."""
        closing = _QUOTED.get(line[start - 1 : start], "")
        extent = extents.at(line, start, closing)
        at = self._surroundings.read(prefix)
        around, form = at.around.within(outer), at.form
        announced = around.way is not None or form in self._forms
        if again and at.around == NOTHING:
            announced = True  # it follows the previous frame without a space
        end: int | None = extent.end
        length, cut = 0, extent.lost
        if extent.state in (extents.OPEN, extents.OPEN_STRING):
            gathered = Gathering(source, prefix, line, start, text.partial).whole()
            if isinstance(gathered, extents.Extent):
                extent, end, cut = gathered, None, gathered.lost
            else:
                raw = line[start : extent.end].rstrip()
                marked = _CUT_MARK.search(raw)
                if marked and marked.start() > 1:
                    raw, cut = raw[: marked.start()], True
                elif gathered is None or "[truncated]" in prefix or "[\u2026]" in prefix:
                    cut = True
                length = 0 if cut else len(line.rstrip())
                extent = extent._replace(raw=raw)
        elif extent.state is extents.BROKEN and _ELIDED.search(extent.raw):
            cut = True
        if "&" in extent.raw and _MARKUP.search(prefix):
            plain = extents.at(html.unescape(extent.raw), 0)
            extent = plain._replace(end=extent.end) if plain.state is extents.WHOLE else extent
        size = _SIZE.match(line, extent.end) if end is not None else None
        if size and int(size[1]) > len(extent.raw.encode("utf-8", "surrogateescape")):
            cut = True
        if not is_frame(extent, announced):
            if is_frame(extent, True) and not announced and extent.state is extents.WHOLE:
                self._reading.miss(text.number, "an array that begins like a frame but lacks its parts")
            return None
        if around.when is None and end is not None and (behind := line[end : end + 80].partition("[")[0].strip()):
            around = around._replace(when=self._surroundings.time(behind))
        if not around.way or not around.when:
            around = around.over(self._stands_above(prefix))
        if around.when is None and self._above and line[:1] in (" ", "\t", "<"):
            around = around._replace(when=self._surroundings.time(self._above[-1]))  # a log entry of two lines
        self._forms.add(form)
        if len(self._forms) > 2000:
            self._forms.clear()
        events = list(self._told(extent, text, around, form, bool(_ERROR.search(prefix)), cut, length))
        return events, end, around

    def _told(
        self,
        extent: extents.Extent,
        text: Text,
        around: Around,
        form: str,
        error: bool,
        cut: bool = False,
        length: int = 0,
    ) -> Iterator[Event]:
        self._awaited = None
        self._above.clear()
        copied = cut and self._cut and (extent.raw.startswith(self._cut) or self._cut.startswith(extent.raw))
        self._cut = extent.raw if cut else ""
        if copied:
            self._reading.passed_over += 1  # tshark writes each frame twice, and cuts both
            return
        away = None if around.way is None else around.way in AWAY
        before = self._recent.get(extent.raw)
        self._count += 1
        if before is not None and form and not text.frame:
            number, first_form, charge_point, first_away = before
            same_side = away is None or first_away is None or away is first_away
            same_one = None in (charge_point, around.charge_point) or charge_point == around.charge_point
            if form != first_form and same_side and same_one and (error or self._count - number <= _NEAR):
                self._reading.passed_over += 1  # an error message quotes the frame, or the program logs it twice
                return
        if len(self._recent) >= _REMEMBERED:
            self._recent.clear()
        self._recent[extent.raw] = (self._count, form, around.charge_point, away)
        notes: dict[str, Any] = {}
        if cut:
            notes["cut"] = True
        if extent.mended:
            notes["mended"] = extent.mended
        yield Seen(extent.raw, text.number, around, extent.message, notes or None, length)

    def _stands_above(self, prefix: str) -> Around:
        """Return the facts in the lines above a frame that is alone on its line."""
        if not self._above or not _BARE.fullmatch(prefix):
            return NOTHING
        return self._surroundings.of_block(list(self._above))

    def _other(self, text: Text, line: str, source: Source) -> Iterator[Event]:
        """Yield the events of a line without a frame."""
        stripped = line.strip()
        if not stripped:
            return
        self._reading.passed_over += 1
        parts = decomposed.find(line)
        if parts is not None:
            at = self._surroundings.read(line[: parts.start])
            yield from self._told(parts.extent, text, at.around.within(text.around), at.form, False)
            self._reading.passed_over -= 1
            return
        if len(stripped) > _LONGEST:
            self._above.append(line[:500])
            return
        if len(stripped) < 40 and _DOTS.match(stripped):
            yield Left(text.number)
            return
        if _ANNOUNCED.match(line):
            self._unfollowed(text.number)
        elif (empty := _EMPTY.match(line)) and self._is_empty(empty[1], source):
            at = self._surroundings.read(empty[1])
            yield Seen("", text.number, at.around.within(text.around))
            return
        if (said := _SAID_EMPTY.search(line)) and self._forms:
            around = self._surroundings.read(line[: said.start()]).around._replace(way=IN)
            yield Seen("", text.number, around.within(text.around))
            return
        if connections.QUICK.search(line) and (told := connections.read(line)):
            at = self._surroundings.read(line[:1500])
            name = identities.keyed(line) or identities.of_url(line) or told.who
            around = at.around._replace(charge_point=name, way=None)
            version = connections.VERSION.search(line)
            around = around._replace(version=version[1] if version else None).within(text.around)
            yield Linked(told.up, text.number, around, told.code, told.reason, told.client)
        self._above.append(line[:500])

    def _is_empty(self, prefix: str, source: Source) -> bool:
        """Return whether a line announces a message in the way of earlier lines, but no message follows."""
        form = self._surroundings.read(prefix).form
        if form not in self._forms and form.rstrip() not in {known.rstrip() for known in self._forms}:
            return False
        following = source.peek()
        return following is None or not re.match(r"\s*[\[{]\s*(?:\d|$|\")", following.text)

    def _unfollowed(self, number: int | None) -> None:
        if self._awaited is not None:
            self._reading.miss(self._awaited, "announces a frame that does not follow")
        self._awaited = number


def is_frame(extent: extents.Extent, announced: bool) -> bool:
    """Return whether an array is a frame: it has OCPP's form, or the log announces it as one."""
    message = extent.message
    if message is None:
        return _HEAD.match(extent.raw) is not None or (announced and _BARE_HEAD.match(extent.raw) is not None)
    if type(message) is not list or len(message) < 2 or type(message[0]) is not int:
        return False
    kind, number = message[0], message[1]
    named = type(number) is str
    third = message[2] if len(message) > 2 else None
    if kind in (2, 6):
        is_call = type(third) is str and (len(message) < 4 or type(message[3]) in (dict, type(None)) or announced)
        return (is_call and (named or third in EVERY_ACTION or announced)) or (announced and named)
    if kind == 3:
        return (type(third) is dict and (named or type(number) is int)) or (announced and named)
    if kind in (4, 5):
        return (named or announced) and (type(third) is str or announced)
    known = type(third) is str and third in EVERY_ACTION
    return named and (known or (announced and type(third) in (str, dict) and 0 < kind < 100))


_HEAD = re.compile(r'\[\s*[2-6]\s*,\s*(?:"[^"]{0,255}"|-?\d{1,20})\s*,\s*(?:"[A-Za-z]|\{)')
_BARE_HEAD = re.compile(r"\[\s*\d\s*,\s*[\"\d]")
