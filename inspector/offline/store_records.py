"""Store records from a file through the same pipeline as live traffic."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterable
from typing import Any

from inspector.errors import RecorderFailure
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.recorder import Summary
from inspector.records import Record
from inspector.redaction.redactor import Redactor, as_config
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.writing.writer import Writer

COMMIT_AT = 10_000
COMMIT_BYTES = 16 * 1024 * 1024
"""Commit after COMMIT_AT records, or earlier after COMMIT_BYTES bytes, as frames may be large."""


def store(
    records: Iterable[Record], writer: Writer, settings: Settings = DEFAULTS, redaction: Redactor | None = None
) -> Summary:
    """Store all records and close the file.

    Raises:
        RecorderFailure: the file cannot be written; earlier commits stay.
        ChargeSentinelError: the input cannot be read; records before the fault are stored.
    """
    pipeline = Pipeline(writer, settings, redaction)
    clean = False
    thresholds = gc.get_threshold()
    # The objects of a frame form no cycles. At the usual threshold, the search for cycles takes a tenth of the time.
    gc.set_threshold(50_000, 20, 20)
    try:
        for number, record in enumerate(records, 1):
            pipeline.take_all((record,))
            if number % COMMIT_AT == 0 or writer.pending_bytes > COMMIT_BYTES:
                pipeline.commit()
        pipeline.commit()
        clean = True
    except sqlite3.Error as error:
        raise RecorderFailure(f"{writer.path}: cannot be written ({error})") from error
    finally:
        gc.set_threshold(*thresholds)
        _close(writer, clean)
    return pipeline.summary(pipeline.gone)


def _close(writer: Writer, clean: bool) -> None:
    try:
        writer.close(clean=clean)
    except sqlite3.Error as error:
        raise RecorderFailure(f"{writer.path}: cannot be written ({error})") from error


def writer_arguments(
    path: Any, holder: str, sources: list[str], redaction: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the arguments of `Writer` for an import from `sources`; `redaction` are the arguments of `Redactor`."""
    from importlib.metadata import version

    return {
        "path": path,
        "tool_version": version("chargesentinel"),
        "holder": holder,
        "config": {"imported": sources, **as_config(redaction)},
    }
