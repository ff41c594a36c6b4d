"""Start child processes that end with their parent, even if it is killed (Linux only), and ignore its settings."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


SETTINGS_PREFIX = "CHARGESENTINEL_"
"""Variables with this, the name of a command and _ set its options."""
CONFIG_VARIABLE = "CHARGESENTINEL_CONFIG"
"""Names the file that sets options of `proxy` and `browse`."""
_OPTIONS = (*(f"{SETTINGS_PREFIX}{command}_" for command in ("PROXY", "BROWSE")), CONFIG_VARIABLE)


def environment_without_settings() -> dict[str, str]:
    """Return the environment for a command whose options come from this program alone; its output is unbuffered."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OPTIONS)}
    return {**inherited, "PYTHONUNBUFFERED": "1"}


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
