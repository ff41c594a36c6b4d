"""Stores records that come from a file, through the same pipeline as live traffic; knows no file format."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterable
from typing import Any

from inspector.errors import RecorderFailure
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.recorder import Summary
from inspector.recorder.taking import take
from inspector.records import Record
from inspector.redaction.redactor import Redactor, as_config
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.writer import Writer

COMMIT_AT = 10_000
COMMIT_BYTES = 16 * 1024 * 1024
"""What waits for a commit is bounded by both: frames may be large."""


def store(
    records: Iterable[Record], writer: Writer, settings: Settings = DEFAULTS, redaction: Redactor | None = None
) -> Summary:
    """Store all of `records` and let go of the file.

    Raises:
        RecorderFailure: the disk does not take them; what was committed before stays.
        ChargeSentinelError: what reading the input raises; what was read before stays.
    """
    pipeline = Pipeline(writer, settings, redaction)
    clean = False
    thresholds = gc.get_threshold()
    # Every frame leaves a dozen objects that are gone by themselves; looking for circles among them takes a tenth.
    gc.set_threshold(50_000, 20, 20)
    try:
        for number, record in enumerate(records, 1):
            take(pipeline, (record,))
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
    """The arguments of `Writer` for an import from `sources`; `redaction` are those of `Redactor`."""
    from importlib.metadata import version

    return {
        "path": path,
        "tool_version": version("chargesentinel"),
        "holder": holder,
        "config": {"imported": sources, **as_config(redaction)},
    }
