"""Report to systemd that a service is ready, still works and is stopping (the protocol of sd_notify).

Without systemd, NOTIFY_SOCKET is not set and nothing is sent.
"""

from __future__ import annotations

import asyncio
import os
import socket

import click


class ServiceNotices:
    """The notices of this process."""

    def __init__(self) -> None:
        """Take systemd's variables out of the environment: child processes must not report in place of this one."""
        address, microseconds, process = (
            os.environ.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        )
        # A name with @ has no file: it is in Linux's abstract namespace.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        watched = microseconds.isdecimal() and process in ("", str(os.getpid()))
        # The manual of sd_watchdog_enabled recommends half of the time after which systemd ends the service.
        self._every_s = int(microseconds) / 2e6 if watched else 0.0
        self._failed = False

    def ready(self) -> None:
        """Report that the first connection can come, and from now on that the running event loop still works."""
        self._send("READY=1")
        if self._address and self._every_s:
            self._report_life(asyncio.get_running_loop())

    def stopping(self) -> None:
        """Report that the service has begun to stop."""
        self._send("STOPPING=1")

    def _report_life(self, loop: asyncio.AbstractEventLoop) -> None:
        self._send("WATCHDOG=1")
        loop.call_later(self._every_s, self._report_life, loop)

    def _send(self, notice: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(notice.encode(), self._address)
        except OSError as error:
            if not self._failed:
                click.echo(f"cannot report {notice} to systemd: {error.strerror or error}", err=True)
            self._failed = True
