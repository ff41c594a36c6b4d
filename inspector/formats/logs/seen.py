"""What is found in a log, before it is known what it means: frames, connections, gaps; plain values."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.formats.logs.times import When


class Around(NamedTuple):
    """What stands around a frame, as far as it is there; `way` as in `directions`."""

    when: When | None = None
    way: str | None = None
    charge_point: str | None = None
    session: str = ""
    version: str | None = None

    def over(self, other: Around) -> Around:
        """This, and from `other` what this lacks."""
        return Around(
            self.when or other.when,
            self.way or other.way,
            self.charge_point or other.charge_point,
            self.session or other.session,
            self.version or other.version,
        )


NOTHING = Around()


class Text(NamedTuple):
    """A line of a log, or a text of a record in a document.

    Attributes:
        number: of its line in the input, from 1.
        text: without its line end.
        around: what the record around it says.
        frame: a frame that the record holds as such, not as text; then `text` is it.
        partial: whether the line goes on in the next text.
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
        line: where it begins in the input.
        around: what stands around it.
        message: its elements, None where it is no JSON.
        notes: those of `records.FrameRecord`.
        length: characters of its line where it breaks off at the end of it, else 0.
    """

    raw: str
    line: int
    around: Around
    message: Any = None
    notes: dict[str, Any] | None = None
    length: int = 0


class Linked(NamedTuple):
    """A line that says that a connection began or ended.

    Attributes:
        up: whether it began; None where a line only names the address that is connected to.
        around: what stands around it; the charge point's id may come from an address.
        code, reason: of its end.
        client: whether the line is of one who connects to a CSMS, and so of a charge point.
    """

    up: bool | None
    line: int
    around: Around
    code: int | None = None
    reason: str | None = None
    client: bool = False


class Left(NamedTuple):
    """Lines that somebody has left out."""

    line: int


type Event = Seen | Linked | Left
