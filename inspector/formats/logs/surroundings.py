"""Read the text around a frame, in its line or in the lines above; cache the results."""

from __future__ import annotations

import html
import re
from typing import NamedTuple

from inspector.formats.logs import directions, identities
from inspector.formats.logs.directions import DOWN, UP
from inspector.formats.logs.seen import NOTHING, Around
from inspector.formats.logs.times import Times, When

_REMEMBERED = 5000
_LONGEST = 1500
_DIGITS = str.maketrans("123456789", "000000000")
_FEW = 200
_COUNTS = re.compile(r"\d\d?:\d\d:\d\d(?:[.,]\d+)?|(?<=[(\[])\d+(?=[)\]])")
"""Numbers in a prefix that are never part of an id: a second time, process numbers, milliseconds since the start."""
_ARRIVAL = re.compile(r"(?:^|\s)(?:UTC )?Arrival Time: (.*)")
_MASK = re.compile(r"Mask: (True|False)|\[MASKED\]")
_NEAREST = 4
_TAG = re.compile(r"</?[a-z]\w*(?:\s+class=[\"']?([\w-]+))?[^<>]*>", re.I)


class At(NamedTuple):
    """The facts in a prefix, and its form: the prefix without time, id and digits. Lines of one kind share a form."""

    around: Around
    form: str


class Surroundings:
    """Read the text around frames."""

    def __init__(self) -> None:
        self._times = Times()
        self._behind = Times()
        self._read = self._missed = 0
        self._known: dict[tuple[str, str], tuple[str | None, str | None, str, str]] = {}

    def read(self, prefix: str) -> At:
        """Return the facts in the text before a frame."""
        if len(prefix) > _LONGEST:
            prefix = prefix[:300] + " " + prefix[-1000:]
        if "<![CDATA[" in prefix:
            prefix = prefix.rpartition("<![CDATA[")[2]
        if prefix[-1:] == ">" and (markup := _TAG.search(prefix)):
            # The text is from an HTML table: the class of a row may name the sender.
            prefix = html.unescape(_TAG.sub(" ", prefix)) + (f" {markup[1]}:" if markup[1] else "")
        found = self._times.find(prefix)
        key = (prefix[: found.start], prefix[found.end :]) if found else (prefix, "")
        self._read += 1
        if self._missed > _FEW and 4 * self._missed > self._read:
            key = _COUNTS.sub("0", key[0]), _COUNTS.sub("0", key[1])  # so that lines share a cache entry
        known = self._known.get(key)
        if known is None:
            self._missed += 1
            label = directions.find(prefix)
            name = identities.find(prefix, (found.start, found.end) if found else None, label)
            form = key[0] + "\0" + key[1]
            form = (form.replace(name, "\1") if name else form).translate(_DIGITS)
            known = (label.way if label else None, name, identities.session(prefix), form)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = known
        way, name, session, form = known
        if found is None and way is None and name is None:
            return At(NOTHING, form)
        return At(Around(found.when if found else None, way, name, session), form)

    def time(self, text: str) -> When | None:
        """Return the time in the text after a frame."""
        found = self._behind.find(text)
        return found.when if found else None

    def of_block(self, lines: list[str]) -> Around:
        """Return the facts in the lines above a frame: the packet of a capture, or a heading."""
        text = "\n".join(lines)
        arrival = _ARRIVAL.findall(text)
        if arrival:
            found = self._times.find(arrival[-1])
            mask = _MASK.findall(text)
            way = None if not mask else UP if mask[-1] in ("True", "") else DOWN
            return Around(found.when if found else None, way)
        near = NOTHING
        for line in [line for line in reversed(lines) if line.strip(" \t`")][:_NEAREST]:
            if len(line) > 300:
                break
            said = self.read(line).around
            name = identities.keyed(line) or identities.of_url(line)
            near = near.over(said if said.way is not None and name is None else said._replace(charge_point=name))
            if near.way is not None:
                break
        return near
