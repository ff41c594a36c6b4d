"""Run the engine on uvloop, made compatible with mitmproxy.

A relay mostly waits for sockets, reads and writes; uvloop does this in C. Measured in one run, the relay takes a fifth
less CPU time than on asyncio's own loop, and less memory for each connection.
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
    """uvloop, with task factories that work on every supported Python."""

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        """Set the task factory; mitmproxy sets `asyncio.eager_task_factory`.

        uvloop 0.23 passes `eager_start` to every factory, but asyncio's factory accepts it only since Python 3.13.3.
        """

        def without_eager_start(loop: Any, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
            if options.get("eager_start") is None:
                options.pop("eager_start", None)
            assert factory is not None
            return factory(loop, coroutine, **options)

        chosen: Any = factory and without_eager_start
        super().set_task_factory(chosen)
