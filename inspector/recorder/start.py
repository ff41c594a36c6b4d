"""Starts a recorder; the only place that knows where recorders run."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from inspector.recorder.recorder import Recorder
from inspector.recorder.worker.supervisor import DEFAULT_QUEUE_LIMIT, SupervisedRecorder
from inspector.recorder.worker.thread import ThreadRecorder
from inspector.redaction.redactor import Redactor, as_config, without_passwords
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.connection import DEFAULT_MODE
from inspector.store.writer import Writer

BUSY_S = 0.2
"""How long a commit waits for another program's lock on the file before what crosses waits in memory instead."""


def start_recorder(
    path: Path | str,
    *,
    holder: str,
    listen: str | None = None,
    upstream: str | None = None,
    config: dict[str, Any] | None = None,
    settings: Settings = DEFAULTS,
    queue_limit: int = DEFAULT_QUEUE_LIMIT,
    redaction: dict[str, Any] | None = None,
    own_process: bool = False,
    rotate: str | None = None,
    file_mode: int = DEFAULT_MODE,
    lossless: bool = False,
) -> Recorder:
    """Open a recording for writing and return the door to it.

    Args:
        path: the SQLite file; made if it is not there.
        holder: the command that records, for whoever finds the file locked ("chargesentinel proxy").
        listen, upstream, config: what the row in `recordings` says; never with a credential.
        settings: of the judge.
        queue_limit: bytes that may wait for a disk that does not write.
        redaction: the arguments of `inspector.redaction.redactor.Redactor`; None hides credentials.
        rotate: when to go on in the next file: a size, an age or "day"; see `store.rotation`.
        file_mode: the permissions of files that are made.
        lossless: in a process of its own, have those who send much wait also while nothing can be stored.
        own_process: run it as a supervised process, to be fed from an asyncio loop; else in a thread.

    Raises:
        UnusableFile: the file is not ours, too new, being written by another process, or cannot be written.
    """
    writer: dict[str, Any] = {
        "path": str(path),
        "tool_version": version("chargesentinel"),
        "holder": holder,
        "listen": listen and without_passwords(listen),
        "upstream": upstream and without_passwords(upstream),
        "rotate": rotate,
        "busy_s": BUSY_S,
        "pid": os.getpid(),
        "file_mode": file_mode,
        "config": {**(config or {}), **as_config(redaction)},
    }
    if own_process:
        return SupervisedRecorder(writer, settings, redaction=redaction, queue_limit=queue_limit, lossless=lossless)
    hidden = Redactor(**(redaction or {}))
    return ThreadRecorder(Writer(**writer), settings, redaction=hidden, queue_limit=queue_limit)
