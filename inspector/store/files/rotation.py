"""Decide when a recording continues in the next file, and name and find its files.

Each file has its date in its name, as `traffic-2026-11-24T21-21-37Z.db`, and `traffic.db` is a symbolic link to the
newest one. So no open file is ever moved, and `traffic.db` always opens the file that is being recorded. Names sort in
the order in which the files were begun, even if the clock was set back in between.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from inspector.errors import UnusableFile, UserMistake
from inspector.store.files.connection import is_recording, refuse_special
from inspector.store.files.open_files import rename
from inspector.store.files.sealing import is_sealed, seal
from inspector.units import duration_s, size_bytes

log = logging.getLogger("chargesentinel.store")

_STAMP = "%Y-%m-%dT%H-%M-%SZ"
_STAMPED = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ"
_DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Rotation:
    """When to begin the next file: at a size in bytes, at an age in seconds, or at the end of a day (UTC)."""

    size: int | None = None
    age_s: float | None = None
    day: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "500MB", "24h" or "day".

        Raises:
            UserMistake: `text` has another form.
        """
        if text == "day":
            return cls(day=True)
        with contextlib.suppress(ValueError):
            return cls(size=max(size_bytes(text), 1))
        with contextlib.suppress(ValueError):
            return cls(age_s=max(duration_s(text), 1.0))
        raise UserMistake(f"--rotate: {text!r} is not a size, an age or 'day'; write 500MB, 24h or day")

    def due(self, size: int, since_ns: int, now_ns: int) -> bool:
        """Return whether a file of `size` bytes that was begun at `since_ns` is complete.

        A file whose beginning is further in the future than a file lasts is complete too: the clock was set back
        meanwhile, and may take years to reach that time again.
        """
        if self.size is not None:
            return size >= self.size
        if self.age_s is not None:
            return abs(now_ns - since_ns) >= self.age_s * 1e9
        return _day(now_ns) > _day(since_ns) or since_ns - now_ns > _DAY_NS

    def worth_it(self, connection: sqlite3.Connection, now_ns: int) -> bool:
        """Return whether a file that is due holds anything that is not from the file before.

        The age of a file counts from its first frame, so that no new files are made while no frames arrive. A file that
        is due by its size must have at least one event that was not copied from the file before.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        first = connection.execute("SELECT ts_ns FROM frames ORDER BY id LIMIT 1").fetchone()
        if self.size is None:
            return first is not None and self.due(0, first[0], now_ns)
        (began,) = connection.execute("SELECT coalesce(max(started_ns), 0) FROM recordings").fetchone()
        own = "SELECT EXISTS (SELECT 1 FROM events WHERE id > 0 AND ts_ns > ?)"
        return first is not None or bool(connection.execute(own, (began,)).fetchone()[0])


def segment(name: Path, now_ns: int) -> Path:
    """Return a name for the next file beside `name`; it sorts after the names of existing files."""
    at = datetime.fromtimestamp(now_ns // 10**9, UTC)
    if before := segments(name):
        last = _begun(before[-1], name)
        assert last is not None
        at = max(at, last + timedelta(seconds=1))
    return name.with_name(f"{name.stem}-{at.strftime(_STAMP)}{name.suffix}")


def segments(name: Path) -> list[Path]:
    """Return the files of a rotated recording, in the order they were begun."""
    if not name.parent.is_dir():
        return []
    return sorted(path for path in name.parent.iterdir() if _begun(path, name) is not None)


def _begun(path: Path, name: Path) -> datetime | None:
    """Return the date in the name of a file of the recording `name`; None if `path` is not one of its files."""
    found = re.fullmatch(rf"{re.escape(name.stem)}-({_STAMPED}){re.escape(name.suffix)}", path.name)
    try:
        return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC) if found else None
    except ValueError:  # not a date, such as the 99th of a month
        return None


def _is_unfinished(path: Path, name: Path) -> bool:
    """Return whether `path` is an unfinished file of `next_file.make_next`."""
    found = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}\.part", path.name)
    return found is not None and _begun(path.with_name(found[1]), name) is not None


def earlier(name: Path) -> list[Path]:
    """Return the files before the one that `name` links to, oldest first; [] if `name` is not a link."""
    found = segments(name) if name.is_symlink() else []
    newest = name.parent / name.readlink() if found else name
    return found[: found.index(newest)] if newest in found else []


def point(name: Path, target: Path) -> None:
    """Make `name` a link to `target` in one step, unless another program has put a file there."""
    if name.is_symlink() and name.readlink() == Path(target.name):
        return
    if not _is_free(name):
        log.warning("%s no longer links to this recording and is left alone; recording continues in %s", name, target)
        return
    with tempfile.TemporaryDirectory(dir=name.parent, prefix=f".{name.name}.") as folder:
        link = Path(folder, "link")
        link.symlink_to(target.name)
        link.replace(name)


def _is_free(name: Path) -> bool:
    """Return whether a name may become a link: it is free, or a link to a file of this recording."""
    if not name.is_symlink():
        return not name.exists()
    leads_to = name.readlink()
    return leads_to.parent == Path() and _begun(name.with_name(leads_to.name), name) is not None


def prepare(name: Path, now_ns: int) -> Path:
    """Return the file to continue in, after tidying up what an earlier run left behind.

    Raises:
        UnusableFile: `name` is not a file, not a recording, or open in another program.
    """
    refuse_special(name)
    if name.is_symlink() and not _is_free(name):
        why = f"a link to {name.readlink()}, which is not a file of this recording"
        raise UnusableFile(name, why, "remove the link, or name another file")
    if not name.is_symlink() and name.exists():
        _move_aside(name)
    if name.parent.is_dir():
        for leftover in name.parent.iterdir():
            if _is_unfinished(leftover, name):
                leftover.unlink()
    found = segments(name)
    for earlier, later in itertools.pairwise(found):
        if not is_sealed(earlier) and is_recording(earlier):
            with contextlib.suppress(sqlite3.Error):  # another program is reading it: the next start tries again
                seal(earlier, later, now_ns)
    return found[-1] if found else segment(name, now_ns)


def _move_aside(name: Path) -> None:
    """Rename a recording that was made without rotation, so that it becomes the first file."""
    if name.stat().st_size == 0:
        name.unlink()
        return
    if not is_recording(name):
        raise UnusableFile(name, "not a recording of ChargeSentinel", "name another file")
    try:
        with closing(sqlite3.connect(name, timeout=0.5, isolation_level=None)) as connection:
            (since,) = connection.execute("SELECT coalesce(min(started_ns), 0) FROM recordings").fetchone()
            # This fails if another program has the file open: its name must not change then.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise UnusableFile(
            name, f"cannot be renamed for --rotate ({error})", "close what has it open, or name another file"
        ) from error
    rename(name, segment(name, since))


def _day(at_ns: int) -> int:
    return at_ns // _DAY_NS
