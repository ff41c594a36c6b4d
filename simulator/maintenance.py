"""Play the steps of firmware updates and log uploads, without downloading or uploading anything.

Each step takes `STEP_S` simulated seconds. A transfer succeeds if the scheme of its location is in `SCHEMES`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from simulator.charging.tokens import when
from simulator.station import Station
from simulator.wire.link import Message, Payload, Reply

STEP_S = 30.0
SCHEMES = ("http", "https", "ftp", "ftps")


class Maintenance:
    """The firmware update and the upload of a charge point, each at most one at a time."""

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

    async def send_firmware_status(self) -> None:
        """Send the progress of the firmware update."""
        await self.station.send(self.station.dialect.firmware_status(self.firmware_status, self.update_id))

    async def send_log_status(self) -> None:
        """Send the progress of the log upload."""
        await self.station.send(self.station.dialect.log_status(self.upload_status, self.upload_id))

    def answer_update(self, payload: Payload) -> Reply:
        """Answer UpdateFirmware of 2.x or SignedUpdateFirmware of 1.6, whose payloads are the same."""
        firmware = payload["firmware"]
        certificate = firmware.get("signingCertificate")
        why = None if certificate is None else self.station.certificates.signing_objection(certificate)
        if why is not None:
            # L01.FR.02
            event = self.station.dialect.security_event("InvalidFirmwareSigningCertificate", why)
            return Reply({"status": "InvalidCertificate"}, lambda: self.station.send(event))
        again = self.updating

        async def follow() -> None:
            self.update(
                payload["requestId"],
                firmware["location"],
                when(firmware["retrieveDateTime"]),
                when(firmware.get("installDateTime")),
                signature=None if certificate is None else firmware.get("signature", ""),
                modern=True,
            )

        return Reply({"status": "AcceptedCanceled" if again else "Accepted"}, follow)

    def update(
        self,
        request_id: int | None,
        location: str,
        at: datetime | None,
        install_at: datetime | None,
        signature: str | None,
        modern: bool,
    ) -> None:
        """Start a firmware update in the background, and cancel a running one.

        Args:
            request_id: the id of the request, for its status messages; None in an unsigned update of 1.6.
            location: the URL of the firmware.
            at, install_at: when to download and when to install; None is now.
            signature: the signature of the firmware in base64; None for unsigned firmware.
            modern: whether the version has the steps for scheduling and rebooting (2.x, and signed updates of 1.6).
        """
        if self._update is not None:
            self._update.cancel()
        self.update_id = request_id
        self._update = self.station.spawn(self._updating(location, at, install_at, signature, modern))

    async def _updating(
        self, location: str, at: datetime | None, install_at: datetime | None, signature: str | None, modern: bool
    ) -> None:
        fault, self.station.firmware_fault = self.station.firmware_fault, None

        async def step(status: str) -> None:
            self.firmware_status = status
            self.station.log(f"firmware {status}")
            await self.station.online.wait()
            await self.send_firmware_status()
            await self.station.clock.sleep(STEP_S)

        if modern and _later(at):
            await step("DownloadScheduled")
        await _until(at)
        await step("Downloading")
        if urlsplit(location).scheme not in SCHEMES or fault == "DownloadFailed":
            await step("DownloadFailed")
            return
        await step("Downloaded")
        if signature is not None:
            if fault == "InvalidSignature" or not _is_base64(signature):
                # L01.FR.03
                await step("InvalidSignature")
                await self.station.send(self.station.dialect.security_event("InvalidFirmwareSignature"))
                return
            await step("SignatureVerified")
        if modern and (_later(install_at) or self.station.charging()):
            await step("InstallScheduled")
        await _until(install_at)
        while self.station.charging():
            await self.station.clock.sleep(STEP_S)
        await step("Installing")
        if fault == "InstallationFailed":
            await step("InstallationFailed")
            return
        if modern:
            await step("InstallRebooting")
        self.station.firmware = version_in(location, self.station.firmware)
        await self.station.restart("FirmwareUpdate")
        await step("Installed")
        if modern:
            # L01.FR.31
            await self.station.send(self.station.dialect.security_event("FirmwareUpdated"))
        self.firmware_status = "Idle"

    def upload(self, message: Callable[[str], Message], location: str) -> None:
        """Start an upload of diagnostics or logs in the background, and cancel a running one.

        Args:
            message: returns the message for a status.
            location: the URL to upload to.
        """
        if self._upload is not None:
            self._upload.cancel()
        self._upload = self.station.spawn(self._uploading(message, location))

    async def _uploading(self, message: Callable[[str], Message], location: str) -> None:
        reached = urlsplit(location).scheme in SCHEMES
        for status in ("Uploading", "Uploaded" if reached else "UploadFailed"):
            self.upload_status = status
            self.station.log(f"upload {status}")
            await self.station.send(message(status))
            if status == "Uploading":
                await self.station.clock.sleep(STEP_S)
        self.upload_status = "Idle"


FIRMWARE_FAULTS = ("DownloadFailed", "InvalidSignature", "InstallationFailed")
"""The statuses with which a firmware update can fail on request."""


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _later(at: datetime | None) -> bool:
    return at is not None and at > datetime.now(UTC)


async def _until(at: datetime | None) -> None:
    if at is not None:
        await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))


def version_in(location: str, present: str) -> str:
    """Return the version in the URL of a firmware, or else the `present` version with its last number increased."""
    found = re.findall(r"\d+(?:\.\d+)+", location.rsplit("/", 1)[-1])
    if found:
        return str(found[-1])
    head, _, last = present.rpartition(".")
    return f"{head}.{int(last) + 1}" if last.isdigit() else f"{present}.1"
