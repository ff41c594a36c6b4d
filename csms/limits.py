"""How many connections the system allows: asks for all it may have, and says so once when it is not enough."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import time
from contextlib import suppress
from typing import Any

LOG = logging.getLogger("csms")
SAY_EVERY_S = 10.0


def allow_many_files() -> None:
    """Raise the limit of open files as far as the system lets us: every charge point takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS calls its limit unlimited and refuses it.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Overflow:
    """An event loop's exception handler that tells of too many connections in one line now and then.

    asyncio calls it for every connection in the backlog that it has no file for, hundreds of times a second.
    """

    def __init__(self) -> None:
        self._said = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif time.monotonic() - self._said > SAY_EVERY_S:
            self._said = time.monotonic()
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            LOG.error("no more connections: %d open files are all the system allows; raise it with ulimit -n", limit)
