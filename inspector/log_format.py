"""Write the lines of a command as text or as JSON, in each of its processes; programs that collect logs read JSON."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from typing import TextIO

from inspector.escaping import visible

FORMATS = ("text", "json")
_VARIABLE = "CHARGESENTINEL_LOG_FORMAT"
"""Tells child processes the format; for users, there is --log-format."""


def start(form: str | None = None) -> logging.Handler:
    """Write all lines of this process in a format of FORMATS; return the handler for `logging`, which writes to stderr.

    Without `form`, use the format of the process that started this one.
    """
    wanted = form or os.environ.get(_VARIABLE, "text")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if wanted == "json" else _Text())
    if wanted == "json":
        os.environ[_VARIABLE] = wanted
        sys.stdout, sys.stderr = _JsonStream(sys.stdout, "info"), _JsonStream(sys.stderr, "warning")
    else:
        os.environ.pop(_VARIABLE, None)
    return handler


class _Text(logging.Formatter):
    """A log formatter that escapes control characters, as a line may quote a peer."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return visible(super().formatMessage(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        return _line(record.levelname.lower(), message, record.created)


class _JsonStream(io.TextIOBase):
    """A text stream that writes each line as a JSON object; `print`, click and uvicorn write to it as to any other."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, stream: TextIO, level: str) -> None:
        super().__init__()
        self._stream, self._level = stream, level
        self._rest = ""
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str, /) -> int:
        with self._lock:
            *whole, self._rest = (self._rest + text).split("\n")
            for line in whole:
                if line.strip():
                    self._stream.write(_line(self._level, line.strip()) + "\n")
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


def _line(level: str, message: str, seconds: float | None = None) -> str:
    at = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    # ASCII only, so that no control character of a peer reaches a terminal.
    return json.dumps({"time": at.isoformat(timespec="milliseconds"), "level": level, "message": message})
