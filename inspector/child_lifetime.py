"""Has child processes end with the process that started them, also when it is killed outright; Linux alone can."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


def end_with_parent() -> Callable[[], None] | None:
    """Return what a child runs first (`preexec_fn`) so that it gets SIGTERM when this process has ended.

    The system reports the end of the thread that started the child, so in any thread but the main one it is None.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def end() -> None:
        prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # killed between the fork and here
            os._exit(1)

    return end
