"""Firmware, logs and certificates of OCPP 1.6 and its security whitepaper."""

from __future__ import annotations

from inspector.cli.conformance.cases_16.flows import at, case_16, charging, has_profile, in_time
from inspector.cli.conformance.stage import Stage, having

FIRMWARE = "FirmwareManagement"


@case_16("firmware", "download and install a firmware, and report each step", "§5.19, §4.5", "TC_044_1_CS")
async def firmware_update(stage: Stage) -> None:
    has_profile(stage, FIRMWARE)
    since = stage.now
    await stage.call("UpdateFirmware", {"location": "http://127.0.0.1/firmware.bin", "retrieveDate": in_time(0)})
    for status in ("Downloading", "Downloaded", "Installing", "Installed"):
        frame = await stage.expect(
            "FirmwareStatusNotification",
            what=status,
            where=having(status=status),
            since=since,
            clause="§4.5",
            within=stage.limits.reboot,
        )
        since = frame.number
    await stage.back()


@case_16("firmware", "report when a firmware cannot be downloaded", "§4.5", "TC_044_2_CS")
async def firmware_not_found(stage: Stage) -> None:
    has_profile(stage, FIRMWARE)
    since = stage.now
    request = {"location": "gopher://127.0.0.1/none", "retrieveDate": in_time(0), "retries": 0}
    await stage.call("UpdateFirmware", request)
    await stage.expect(
        "FirmwareStatusNotification",
        what="DownloadFailed",
        where=lambda p: p.get("status") == "DownloadFailed",
        since=since,
        clause="§4.5",
        within=stage.limits.reboot,
    )


@case_16("firmware", "upload diagnostics, and report each step", "§5.9, §4.4", "TC_045_1_CS")
async def diagnostics(stage: Stage) -> None:
    has_profile(stage, FIRMWARE)
    since = stage.now
    answer = await stage.call("GetDiagnostics", {"location": "ftp://127.0.0.1/logs"})
    stage.need(bool(answer.get("fileName")), "the charge point has no diagnostics (the answer has no fileName)")
    for status in ("Uploading", "Uploaded"):
        await stage.expect(
            "DiagnosticsStatusNotification",
            what=status,
            where=having(status=status),
            since=since,
            clause="§4.4",
            within=stage.limits.reboot,
        )


@case_16("security", "upload a security log, and report each step", "whitepaper, L", "TC_079_CS")
async def security_log(stage: Stage) -> None:
    since = stage.now
    request = {"logType": "SecurityLog", "requestId": 71, "log": {"remoteLocation": "ftp://127.0.0.1/logs"}}
    await stage.ask("GetLog", request, clause="whitepaper 4.6")
    await stage.expect(
        "LogStatusNotification",
        what="Uploaded with requestId 71",
        where=lambda p: p.get("status") == "Uploaded" and p.get("requestId") == 71,
        since=since,
        clause="whitepaper 4.6",
        within=stage.limits.reboot,
    )


@case_16("security", "list the installed certificates, or say that there are none", "whitepaper 5.10", "TC_076_CS")
async def list_certificates(stage: Stage) -> None:
    request = {"certificateType": "CentralSystemRootCertificate"}
    answer = await stage.ask(
        "GetInstalledCertificateIds", request, status=("Accepted", "NotFound"), clause="whitepaper 5.10"
    )
    named = bool(answer.get("certificateHashData"))
    stage.check(
        named == (answer["status"] == "Accepted"), "Accepted and certificateHashData go together", "whitepaper 5.11"
    )


@case_16("security", "answer NotFound when an unknown certificate is deleted", "whitepaper 5.4", "TC_076_CS")
async def delete_unknown_certificate(stage: Stage) -> None:
    hashed = {"hashAlgorithm": "SHA256", "issuerNameHash": "0" * 64, "issuerKeyHash": "1" * 64, "serialNumber": "1"}
    await stage.ask("DeleteCertificate", {"certificateHashData": hashed}, status="NotFound", clause="whitepaper 5.4")


@case_16("security", "refuse a certificate that is none", "whitepaper 5.15", "TC_075_2_CS")
async def install_nonsense(stage: Stage) -> None:
    text = "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n"
    request = {"certificateType": "CentralSystemRootCertificate", "certificate": text}
    await stage.ask("InstallCertificate", request, status=("Rejected", "Failed"), clause="whitepaper 5.15")


@case_16("security", "send a triggered message that only the extended trigger has", "whitepaper 5.7")
async def extended_trigger(stage: Stage) -> None:
    since = stage.now
    await stage.ask("ExtendedTriggerMessage", {"requestedMessage": "LogStatusNotification"}, clause="whitepaper 5.7")
    await stage.expect("LogStatusNotification", what="after the trigger", since=since, clause="whitepaper 5.7")


@case_16("core", "report a fault and its end", "§4.9", "TC_041_CS")
async def fault(stage: Stage) -> None:
    since = stage.now
    await stage.person_does("fault", 1)
    frame = await stage.expect("StatusNotification", what="Faulted", where=at(1, "Faulted"), since=since, clause="§4.9")
    stage.check(
        frame.payload.get("errorCode") != "NoError",
        "the status Faulted has the errorCode NoError",
        "§4.9",
        frame.number,
    )
    await stage.person_does("clear-fault", 1)
    await stage.expect(
        "StatusNotification", what="Available", where=at(1, "Available"), since=frame.number, clause="§4.9"
    )


@case_16("core", "stop the transaction when its connector fails", "§4.9")
async def fault_while_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await stage.person_does("fault", 1)
    stage.afterwards(lambda: stage.person_does("clear-fault", 1))
    await stage.expect("StatusNotification", what="Faulted", where=at(1, "Faulted"), since=since, clause="§4.9")
    if (frame := stage.first("StopTransaction", None, since)) is not None:
        transaction.stopped = True
        stage.check(
            frame.payload.get("transactionId") == transaction.number,
            "StopTransaction names another transaction",
            "§4.10",
        )
