"""Firmware updates and log uploads: knows the order of their steps; neither downloads nor uploads anything.

Each step takes `STEP_S` simulated seconds. Locations that are no http, https, ftp or ftps address fail, as on a real
charge point without network to them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from simulator.station import Station

STEP_S = 30.0
SCHEMES = ("http", "https", "ftp", "ftps")

type Tell = Callable[[str], Awaitable[object]]
"""Sends one status in the version's words."""


class Maintenance:
    """What runs at most once at a time: one firmware update, one upload."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.firmware_status = "Idle"
        self.upload_status = "Idle"
        self.update_id: int | None = None
        self.upload_id: int | None = None
        self._update: asyncio.Task[None] | None = None
        self._upload: asyncio.Task[None] | None = None

    @property
    def updating(self) -> bool:
        return self._update is not None and not self._update.done()

    @property
    def uploading(self) -> bool:
        return self._upload is not None and not self._upload.done()

    async def update(
        self, tell: Tell, location: str, at: datetime | None, install_at: datetime | None, signed: bool, modern: bool
    ) -> None:
        """Run a firmware update in the background, in place of one that still runs.

        Args:
            at: when to download, and `install_at` when to install; None is at once.
            signed: whether a signature is verified in between.
            modern: whether the version knows the scheduled and rebooting steps (2.x and the signed update of 1.6).
        """
        if self._update is not None:
            self._update.cancel()
        self._update = self.station.spawn(self._updating(tell, location, at, install_at, signed, modern))

    async def _updating(
        self, tell: Tell, location: str, at: datetime | None, install_at: datetime | None, signed: bool, modern: bool
    ) -> None:
        async def step(status: str) -> None:
            self.firmware_status = status
            self.station.say(f"firmware {status}")
            await self.station.online.wait()
            await self.station.told(tell(status))
            await self.station.clock.sleep(STEP_S)

        if modern and _later(at):
            await step("DownloadScheduled")
        await _until(at)
        await step("Downloading")
        if urlsplit(location).scheme not in SCHEMES:
            await step("DownloadFailed")
            return
        await step("Downloaded")
        if signed:
            await step("SignatureVerified")
        if modern and (_later(install_at) or self.station.charging()):
            await step("InstallScheduled")
        await _until(install_at)
        while self.station.charging():
            await self.station.clock.sleep(STEP_S)
        await step("Installing")
        if modern:
            await step("InstallRebooting")
        self.station.firmware = version_in(location, self.station.firmware)
        await self.station.restart("FirmwareUpdate")
        await step("Installed")
        self.firmware_status = "Idle"

    async def upload(self, tell: Tell, location: str) -> None:
        """Run an upload of diagnostics or logs in the background, in place of one that still runs."""
        if self._upload is not None:
            self._upload.cancel()
        self._upload = self.station.spawn(self._uploading(tell, location))

    async def _uploading(self, tell: Tell, location: str) -> None:
        reached = urlsplit(location).scheme in SCHEMES
        for status in ("Uploading", "Uploaded" if reached else "UploadFailed"):
            self.upload_status = status
            self.station.say(f"upload {status}")
            await self.station.told(tell(status))
            await self.station.clock.sleep(STEP_S)
        self.upload_status = "Idle"


def _later(at: datetime | None) -> bool:
    return at is not None and at > datetime.now(UTC)


async def _until(at: datetime | None) -> None:
    if at is not None:
        await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))


def version_in(location: str, present: str) -> str:
    """Return the version that a firmware's address names, else the present one with its last number raised."""
    found = re.findall(r"\d+(?:\.\d+)+", location.rsplit("/", 1)[-1])
    if found:
        return str(found[-1])
    head, _, last = present.rpartition(".")
    return f"{head}.{int(last) + 1}" if last.isdigit() else f"{present}.1"
