"""Start a recorder, in a thread or in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from inspector.recorder.recorder import Recorder
from inspector.recorder.worker.supervisor import DEFAULT_QUEUE_LIMIT, SupervisedRecorder
from inspector.redaction.redactor import Redactor, as_config, without_passwords
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.files.connection import DEFAULT_MODE

BUSY_S = 0.2
"""How long a commit waits for another program's lock on the file, in seconds. After that, records wait in memory."""


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
    meanwhile: Callable[[], None] = lambda: None,
    counted: int | None = None,
) -> Recorder:
    """Open a recording for writing and return its recorder.

    Args:
        path: the SQLite file; created if it does not exist.
        holder: the command that records ("chargesentinel proxy"), for the message of others that find the file locked.
        listen, upstream, config: for the row in `recordings`; passwords in them are removed.
        settings: settings of the rules.
        queue_limit: how many bytes may wait in memory while the disk cannot be written.
        redaction: the arguments of `inspector.redaction.redactor.Redactor`; None hides only secrets.
        rotate: when to continue in the next file: a size, an age or "day"; see `store.rotation`.
        file_mode: the permissions of new files.
        lossless: let peers that send a lot wait even while nothing can be stored; needs `own_process`.
        meanwhile: called while a recorder process starts.
        counted: count traffic for metrics, with figures of so many charge points; needs `own_process`.
        own_process: run the recorder in a supervised process, fed from an asyncio loop; otherwise in a thread.

    Raises:
        UnusableFile: the file is not a recording, is from a newer version, or cannot be written.
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
        return SupervisedRecorder(
            writer,
            settings,
            redaction=redaction,
            queue_limit=queue_limit,
            lossless=lossless,
            meanwhile=meanwhile,
            counted=counted,
        )
    # The relay of a recorder process needs none of these: they are half of its start.
    from inspector.recorder.worker.thread import ThreadRecorder
    from inspector.store.writing.writer import Writer

    hidden = Redactor(**(redaction or {}))
    return ThreadRecorder(Writer(**writer), settings, redaction=hidden, queue_limit=queue_limit)
