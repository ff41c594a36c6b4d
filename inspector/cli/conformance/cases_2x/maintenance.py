"""Firmware, logs and certificates (functional blocks L, M and N)."""

from __future__ import annotations

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import in_time, number
from inspector.cli.conformance.stage import Stage, having

HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "0" * 64, "issuerKeyHash": "1" * 64, "serialNumber": "1"}
NONSENSE = "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n"


async def _update(stage: Stage, location: str, *statuses: str) -> None:
    request_id = number()
    since = stage.now
    request = {
        "requestId": request_id,
        "retries": 0,
        "firmware": {"location": location, "retrieveDateTime": in_time(0)},
    }
    # An update that has just ended may count as one that is canceled (L01.FR.24).
    await stage.ask("UpdateFirmware", request, status=("Accepted", "AcceptedCanceled"), clause="L02.FR.01")
    for status in statuses:
        frame = await stage.expect(
            "FirmwareStatusNotification",
            what=f"{status} with requestId {request_id}",
            where=having(status=status, requestId=request_id),
            since=since,
            clause="L01.FR.10",
            within=stage.limits.reboot,
        )
        since = frame.number
    await stage.back()


@case("firmware", "download and install a firmware, and report each step", "L02.FR.01, L01.FR.10", "TC_L_01_CS")
async def firmware_update(stage: Stage) -> None:
    await _update(stage, "http://127.0.0.1/firmware.bin", "Downloading", "Downloaded", "Installing", "Installed")


@case("firmware", "report when a firmware cannot be downloaded", "L01.FR.10", "TC_L_07_CS")
async def firmware_not_found(stage: Stage) -> None:
    await _update(stage, "gopher://127.0.0.1/none", "DownloadFailed")


async def _log(stage: Stage, kind: str) -> None:
    request_id = number()
    since = stage.now
    request = {"logType": kind, "requestId": request_id, "log": {"remoteLocation": "ftp://127.0.0.1/logs"}}
    await stage.ask("GetLog", request, clause="N01.FR.01")
    await stage.expect(
        "LogStatusNotification",
        what=f"Uploaded with requestId {request_id}",
        where=lambda p: p.get("status") == "Uploaded" and p.get("requestId") == request_id,
        since=since,
        clause="N01.FR.10",
        within=stage.limits.reboot,
    )


@case("firmware", "upload diagnostics, and report each step", "N01.FR.01, N01.FR.10", "TC_N_25_CS")
async def diagnostics_log(stage: Stage) -> None:
    await _log(stage, "DiagnosticsLog")


@case("security", "upload a security log, and report each step", "N01.FR.01, N01.FR.10", "TC_N_35_CS")
async def security_log(stage: Stage) -> None:
    await _log(stage, "SecurityLog")


@case(
    "security", "list the installed certificates, or say that there are none", "M03.FR.01", "TC_M_12_CS", "TC_M_19_CS"
)
async def list_certificates(stage: Stage) -> None:
    request = {"certificateType": ["CSMSRootCertificate"]}
    answer = await stage.ask("GetInstalledCertificateIds", request, status=("Accepted", "NotFound"), clause="M03.FR.01")
    named = bool(answer.get("certificateHashDataChain"))
    stage.check(
        named == (answer["status"] == "Accepted"), "Accepted and certificateHashDataChain go together", "M03.FR.03"
    )


@case("security", "answer NotFound when an unknown certificate is deleted", "M04.FR.02", "TC_M_22_CS")
async def delete_unknown_certificate(stage: Stage) -> None:
    await stage.ask("DeleteCertificate", {"certificateHashData": HASH}, status="NotFound", clause="M04.FR.02")


@case("security", "refuse a certificate that is none", "M05.FR.07", "TC_M_07_CS")
async def install_nonsense(stage: Stage) -> None:
    request = {"certificateType": "CSMSRootCertificate", "certificate": NONSENSE}
    await stage.ask("InstallCertificate", request, status=("Rejected", "Failed"), clause="M05.FR.07")
