"""Read an input in a process of its own, ahead of the process that judges and stores the records.

Reading a frame costs a third of judging and storing it; with two processors, both happen at the same time.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from inspector.errors import ChargeSentinelError
from inspector.formats.reading import Reading, Unreadable
from inspector.recorder.worker.wire import plain, typed
from inspector.records import Record

BATCH = 500
BATCH_BYTES = 1 << 20
"""The most records and bytes of a batch. Sending a batch blocks until the one before it has been received."""

type Steps = Iterator[tuple[Record, Any]]


def read_ahead(steps: Callable[[], Steps], reading: Reading) -> Iterator[Record]:
    """Yield the records of `steps()`, which runs in another process; keep `reading` up to date as if it ran here.

    On systems that cannot fork, `steps` runs in this process.

    Raises:
        ChargeSentinelError: `steps` raised it.
        Unreadable: the other process ended without a message, for example because it was killed.
    """
    if not hasattr(os, "fork"):
        yield from (record for record, _ in steps())
        return
    here, there = Pipe(duplex=False)
    pid = os.fork()
    if not pid:
        here.close()
        _read(steps, reading, there)
    there.close()
    try:
        failed: ChargeSentinelError | None = None
        batch: tuple[bytes, list[Any]] | None = (b"", [])
        while batch is not None:
            yield from typed(*batch)
            try:
                batch, position, facts, failed = here.recv()
            except EOFError:
                raise Unreadable(reading.source, None, "the process that was reading it has ended") from None
            vars(reading).update(facts, position=lambda at=position: at)
        if failed is not None:
            raise failed
    finally:
        here.close()
        os.kill(pid, signal.SIGKILL)  # the process may be waiting for a silent input
        os.waitpid(pid, 0)


def _end_with_reader(pipe: int) -> None:
    """End this process once the other end of its pipe is closed, even while it waits for a silent input."""
    poll = select.poll()
    poll.register(pipe, 0)  # poll() always reports an error, even with an empty mask
    poll.poll()
    os._exit(1)


def _read(steps: Callable[[], Steps], reading: Reading, there: Connection) -> None:
    """Read and send batches in the other process; never return."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that reads from this one handles Ctrl-C
    threading.Thread(target=_end_with_reader, args=(there.fileno(),), daemon=True).start()

    def send(batch: list[Record] | None, failed: ChargeSentinelError | None = None) -> None:
        facts = {name: value for name, value in vars(reading).items() if name != "position"}
        there.send((plain(batch) if batch is not None else None, reading.position(), facts, failed))

    try:
        batch: list[Record] = []
        failed = None
        try:
            size = 0
            for record, captured in steps():
                batch.append(record)
                size += len(captured.raw) if captured is not None else 0
                if len(batch) >= BATCH or size >= BATCH_BYTES:
                    send(batch)
                    batch, size = [], 0
        except ChargeSentinelError as error:
            failed = error
        send(batch)
        send(None, failed)
        os._exit(0)
    except BrokenPipeError:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
