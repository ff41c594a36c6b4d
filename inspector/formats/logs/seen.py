"""The events found in a log, before they are interpreted: frames, connections, gaps."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.formats.logs.times import When


class Around(NamedTuple):
    """The facts in the text around a frame; unknown ones are None. `directions` lists the values of `way`."""

    when: When | None = None
    way: str | None = None
    charge_point: str | None = None
    session: str = ""
    version: str | None = None

    def within(self, outer: Around) -> Around:
        """Return these facts, completed with those of a container, and with its time if that is more complete."""
        around = self.over(outer)
        if self.when is not None and outer.when is not None and outer.when.kind < self.when.kind:
            return around._replace(when=outer.when)
        return around

    def over(self, other: Around) -> Around:
        """Return these facts, completed with those of `other`."""
        return Around(
            self.when or other.when,
            self.way or other.way,
            self.charge_point or other.charge_point,
            self.session or other.session,
            self.version or other.version,
        )


NOTHING = Around()


class Text(NamedTuple):
    """A line of a log, or a text from a record.

    Attributes:
        number: its line in the input, from 1.
        text: the text without its line end.
        around: the facts in the record around it.
        frame: whether the record contains the frame as JSON instead of text; then `text` is the frame.
        partial: whether the line continues in the next text.
    """

    number: int
    text: str
    around: Around = NOTHING
    frame: bool = False
    partial: bool = False


class Seen(NamedTuple):
    """A frame.

    Attributes:
        raw: its text.
        line: the line where it begins in the input.
        around: the facts in the text around it.
        message: its elements; None if it is not valid JSON.
        notes: as in `records.FrameRecord`.
        length: the length of its line if the frame breaks off at the line end, else 0.
    """

    raw: str
    line: int
    around: Around
    message: Any = None
    notes: dict[str, Any] | None = None
    length: int = 0


class Linked(NamedTuple):
    """A line that reports the beginning or the end of a connection.

    Attributes:
        up: whether it began; None if the line only names the address that a client connects to.
        around: the facts in the text around it; the charge point's id may come from an address.
        code, reason: the close code and reason.
        client: whether the writer of the line connects to a CSMS, and so is a charge point.
    """

    up: bool | None
    line: int
    around: Around
    code: int | None = None
    reason: str | None = None
    client: bool = False


class Left(NamedTuple):
    """A mark where lines of the log were left out."""

    line: int


type Event = Seen | Linked | Left
