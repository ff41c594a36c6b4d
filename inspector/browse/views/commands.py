"""Commands about a session or a frame, for pasting into a shell.

A command works in any folder and any POSIX shell of this machine. It never sends anything to a CSMS on another machine:
it only names the CSMS of the recording if that was on this machine.
"""

from __future__ import annotations

import ipaddress
import shlex
import shutil
import sqlite3
import sys
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from inspector.browse.views.request import View
from inspector.store.reading import reader

PASTE_LIMIT = 4_000
"""In characters. Longer frames get no command that checks them alone."""

CSMS = "ws://127.0.0.1:9000"
"""The default address of `chargesentinel csms`."""

TITLES = {
    "replay": "Replay its session",
    "replay_from": "Replay from here",
    "check_frame": "Check this frame alone",
    "check": "Check the recording",
    "export": "Export its session",
}


@cache
def program() -> str:
    """Return the program for a command: its name if the shell finds it, otherwise its path."""
    if shutil.which("chargesentinel"):
        return "chargesentinel"
    path = Path(sys.executable).with_name("chargesentinel")
    return shlex.quote(str(path)) if path.exists() else f"{shlex.quote(sys.executable)} -m inspector"


def lines(db: sqlite3.Connection, file: str, one: reader.Session) -> View:
    """Return the commands about a session by their names in TITLES."""
    name = _file(file)
    return {
        "replay": _replay(db, name, one),
        "check": f"{program()} check {name}",
        "export": f"{program()} export {name} --session {one.id} -o session-{one.id}.jsonl",
    }


def opening_line(path: Path) -> str:
    """Return the command that shows another recording."""
    return f"{program()} browse {_file(str(path))}"


def frame_lines(db: sqlite3.Connection, file: str, one: reader.Session, frame: reader.Frame) -> View:
    """Return the commands about a frame and its session by their names in TITLES."""
    made = lines(db, file, one)
    made["replay_from"] = f"{made['replay']} --from-frame {reader.place_of_frame(db, frame)}"
    if (check := _check_line(frame, one)) is not None:
        made["check_frame"] = check
    return {name: made[name] for name in TITLES if name in made}


def _file(file: str) -> str:
    return shlex.quote(str(Path(file).absolute()))


def _replay(db: sqlite3.Connection, name: str, one: reader.Session) -> str:
    place = reader.place_of_session(db, one.id)
    return f"{program()} replay {name} --session {place} --as charge-point --to {shlex.quote(target(one))}"


def target(one: reader.Session) -> str:
    """Return the CSMS for a replay: the recorded one if it was on this machine, otherwise `chargesentinel csms`."""
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
    """Return a command that checks this frame alone; None if the frame does not fit into a command."""
    if not isinstance(frame.raw, str) or len(frame.raw) > PASTE_LIMIT or not frame.raw.isprintable():
        return None
    version = f" --ocpp {session.ocpp_version}" if session.ocpp_version else ""
    return f"printf '%s\\n' {shlex.quote(frame.raw)} | {program()} check{version} -"
