"""Commands to paste, about a session or a frame; knows the command line, asks the reader only where things are.

A line works from any folder, in any POSIX shell. It never sends anything to a CSMS elsewhere by itself: the CSMS of
the recording is named only when it was on this machine.
"""

from __future__ import annotations

import ipaddress
import shlex
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

from inspector.browse.views.request import View
from inspector.store import reader

PASTE_LIMIT = 4_000
"""Characters of a frame that still make a line to paste."""

CSMS = "ws://127.0.0.1:9000"
"""Where `chargesentinel csms` listens unless told otherwise."""

TITLES = {
    "replay": "Replay its session",
    "replay_from": "Replay from here",
    "check_frame": "Check this frame alone",
    "check": "Check the recording",
    "export": "Export its session",
}


def lines(db: sqlite3.Connection, file: str, one: reader.Session) -> View:
    """Name to command, about a session."""
    name = _file(file)
    return {
        "replay": _replay(db, name, one),
        "check": f"chargesentinel check {name}",
        "export": f"chargesentinel export {name} --session {one.id} -o session-{one.id}.jsonl",
    }


def opening_line(path: Path) -> str:
    """The command that shows another recording."""
    return f"chargesentinel browse {_file(str(path))}"


def frame_lines(db: sqlite3.Connection, file: str, one: reader.Session, frame: reader.Frame) -> View:
    """Name to command, about a frame and its session."""
    made = lines(db, file, one)
    made["replay_from"] = f"{made['replay']} --from-frame {reader.place_of_frame(db, frame)}"
    if (check := _check_line(frame, one)) is not None:
        made["check_frame"] = check
    return {name: made[name] for name in TITLES if name in made}


def _file(file: str) -> str:
    return shlex.quote(str(Path(file).absolute()))


def _replay(db: sqlite3.Connection, name: str, one: reader.Session) -> str:
    place = reader.place_of_session(db, one.id)
    return f"chargesentinel replay {name} --session {place} --as charge-point --to {shlex.quote(target(one))}"


def target(one: reader.Session) -> str:
    """The CSMS to replay a session to: the recorded one when it was on this machine, else where ours listens."""
    try:
        parts = urlsplit(one.upstream_url or "")
        local = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        local = False
    if not local:
        return CSMS
    path = parts.path.rpartition("/")[0]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def _check_line(frame: reader.Frame, session: reader.Session) -> str | None:
    """A line that judges this frame alone; none for a frame no shell can hold."""
    if not isinstance(frame.raw, str) or len(frame.raw) > PASTE_LIMIT or not frame.raw.isprintable():
        return None
    version = f" --ocpp {session.ocpp_version}" if session.ocpp_version else ""
    return f"printf '%s\\n' {shlex.quote(frame.raw)} | chargesentinel check{version} -"
