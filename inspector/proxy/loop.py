"""The event loop that engines run on: knows why it is uvloop and what mitmproxy needs of it, not what runs on it.

A relay is little but waiting for sockets, reading and writing. uvloop does that in C: a fifth less processor time for
the relay than on asyncio's own loop, measured in one run, and less memory for each connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run an engine to its end, as `asyncio.run` would."""
    with asyncio.Runner(loop_factory=_RelayLoop) as runner:
        runner.run(main)


class _RelayLoop(uvloop.Loop):
    """uvloop, also where it hands task factories an argument that those of its Python do not take."""

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        """Set what makes tasks; mitmproxy wants `asyncio.eager_task_factory`.

        uvloop 0.23 gives each factory `eager_start`, which asyncio's own takes from Python 3.13.3 on only.
        """

        def without_eager_start(loop: Any, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
            if options.get("eager_start") is None:
                options.pop("eager_start", None)
            assert factory is not None
            return factory(loop, coroutine, **options)

        chosen: Any = factory and without_eager_start
        super().set_task_factory(chosen)
