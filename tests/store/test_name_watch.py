"""The watch on a recording's path ends with its writer."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

from inspector.store.writing.writer import Writer


def test_a_writer_that_is_dropped_without_its_close_stops_watching(tmp_path: Path) -> None:
    """The system allows 128 watches per user; restarts of a recorder must not use them up."""
    gc.collect()  # collects the writers of other tests too
    watching = sum(thread.name == "name watch" for thread in threading.enumerate())
    for number in range(5):
        Writer(tmp_path / f"{number}.db", tool_version="test")
    gc.collect()
    assert sum(thread.name == "name watch" for thread in threading.enumerate()) == watching
