"""Start a recorder process and connect it to its relay."""

from __future__ import annotations

import socket
import subprocess
import sys

_SEND_BUFFER = 1 << 20


def launch(page: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a recorder process; return it and the relay's end of the socket that connects them.

    `page` is the file descriptor of its ProgressPage.

    Raises:
        OSError: no file descriptor, process or memory is free.
    """
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    shared = [theirs.fileno(), page]
    command = [sys.executable, "-P", "-m", "inspector.recorder.worker.process", *map(str, shared)]
    # In a session of its own, it gets no Ctrl-C from the terminal: that is for the relay, which ends the recorder.
    try:
        process = subprocess.Popen(command, pass_fds=shared, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours
