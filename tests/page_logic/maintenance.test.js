"use strict";
// What is easily forgotten in a station: what replaces what, what is reported when, and what a display shows.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { VERSIONS, connected } = require("./harness.js");

const is16 = (version) => version === "1.6";
const status = (answer) => answer[2].status;
const soon = (page, seconds) => new Date(page.clock.now + seconds * 1000).toISOString();

/** Ask for a firmware update in the words of the page's version. */
function update(page, location, { requestId = 1, seconds = 0 } = {}) {
  if (is16(page.version)) return page.csms.ask("UpdateFirmware", { location, retrieveDate: soon(page, seconds) });
  const firmware = { location, retrieveDateTime: soon(page, seconds) };
  return page.csms.ask("UpdateFirmware", { requestId, firmware });
}

for (const version of VERSIONS) {
  test(`${version}: firmware is updated in order, and the new version boots`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    await update(page, "https://example.com/firmware-2.0.0", { requestId: 8 });
    await csms.call("FirmwareStatusNotification", ({ status }) => status === "Installed");
    const reported = csms.calls("FirmwareStatusNotification");
    assert.deepEqual(reported.map((each) => each.status), ["Downloading", "Downloaded", "Installing", "Installed"]);
    const boot = csms.calls("BootNotification")[1];
    assert.equal((is16(version) ? boot : boot.chargingStation).firmwareVersion, "firmware-2.0.0");
    if (!is16(version)) assert.deepEqual([...new Set(reported.map((each) => each.requestId))], [8]);
  });

  test(`${version}: an update is installed only after the session`, async (t) => {
    const page = await connected(t, version);
    await page.charge();
    await update(page, "https://example.com/firmware-2.0.0");
    await page.csms.call("FirmwareStatusNotification", ({ status }) => status === "Installing");
    await page.clock.pass(30_000);
    assert.equal(page.csms.calls("BootNotification").length, 1);
    page.tap();
    await page.csms.call("FirmwareStatusNotification", ({ status }) => status === "Installed");
  });

  test(`${version}: what cannot be fetched or sent is reported, and the station keeps running`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    await update(page, "gopher://example.com/one");
    const failed = ({ status }) => /^Upload(Failed|Failure)$/.test(status);
    if (is16(version)) {
      await csms.ask("GetDiagnostics", { location: "gopher://example.com/" });
      assert.equal((await csms.call("DiagnosticsStatusNotification", failed)).status, "UploadFailed");
    } else {
      const log = { remoteLocation: "gopher://example.com/" };
      await csms.ask("GetLog", { requestId: 2, logType: "DiagnosticsLog", log });
      assert.equal((await csms.call("LogStatusNotification", failed)).status, "UploadFailure");
    }
    await csms.call("FirmwareStatusNotification", ({ status }) => status === "DownloadFailed");
    await page.clock.pass(30_000);
    assert.equal(csms.calls("BootNotification").length, 1);
    await page.charge();
  });

  test(`${version}: firmware that nothing signed is refused and reported`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    const firmware = {
      location: "https://example.com/one",
      retrieveDateTime: soon(page, 0),
      signingCertificate: "none",
      signature: "none",
    };
    const action = is16(version) ? "SignedUpdateFirmware" : "UpdateFirmware";
    assert.equal(status(await csms.ask(action, { requestId: 1, firmware })), "InvalidCertificate");
    assert.equal((await csms.call("SecurityEventNotification")).type, "InvalidFirmwareSigningCertificate");
    await page.clock.pass(30_000);
    assert.deepEqual(csms.calls("FirmwareStatusNotification"), []);
    assert.deepEqual(csms.calls("SignedFirmwareStatusNotification"), []);
  });

  test(`${version}: signed firmware is installed and reported, and one with an unusable signature is not`, async (t) => {
    // L01.FR.03, L01.FR.31; the whitepaper has the same events for 1.6.
    const page = await connected(t, version);
    const { csms } = page;
    const action = is16(version) ? "SignedUpdateFirmware" : "UpdateFirmware";
    const told = is16(version) ? "SignedFirmwareStatusNotification" : "FirmwareStatusNotification";
    const signingCertificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    const firmware = { location: "https://example.com/one", retrieveDateTime: soon(page, 0), signingCertificate };
    const ask = (requestId, signature) => csms.ask(action, { requestId, firmware: { ...firmware, signature } });
    assert.equal(status(await ask(1, "no base64")), "Accepted");
    await csms.call(told, ({ status }) => status === "InvalidSignature");
    await csms.call("SecurityEventNotification", ({ type }) => type === "InvalidFirmwareSignature");
    assert.equal(status(await ask(2, "c2lnbg==")), "Accepted");
    await csms.call(told, ({ status, requestId }) => status === "Installed" && requestId === 2);
    await csms.call("SecurityEventNotification", ({ type }) => type === "FirmwareUpdated");
    const steps = csms.calls(told).filter(({ requestId }) => requestId === 1).map(({ status }) => status);
    assert.deepEqual(steps, ["Downloading", "Downloaded", "InvalidSignature"]);
  });

  test(`${version}: meters are read by the clock, with and without a session`, async (t) => {
    // Every connector reports at round seconds; in a session the reading belongs to it.
    const page = await connected(t, version, "sampleInterval=3600");
    const { csms } = page;
    if (is16(version)) {
      await csms.ask("ChangeConfiguration", { key: "StopTxnAlignedData", value: "Energy.Active.Import.Register" });
      await csms.ask("ChangeConfiguration", { key: "ClockAlignedDataInterval", value: "2" });
    } else {
      const place = { component: { name: "AlignedDataCtrlr" }, variable: { name: "Interval" } };
      await csms.ask("SetVariables", { setVariableData: [{ ...place, attributeValue: "2" }] });
    }
    await csms.call("MeterValues", (values) => values[is16(version) ? "connectorId" : "evseId"] === 2);
    await page.charge();
    if (is16(version)) await csms.call("MeterValues", ({ transactionId }) => transactionId === 4711);
    else await csms.call("TransactionEvent", ({ triggerReason }) => triggerReason === "MeterValueClock");
    page.tap();
    await page.quiet();
    for (const { meterValue } of csms.calls("MeterValues")) {
      assert.deepEqual([...new Set(meterValue[0].sampledValue.map(({ context }) => context))], ["Sample.Clock"]);
      assert.equal(Math.floor(Date.parse(meterValue[0].timestamp) / 1000) % 2, 0);
    }
    if (!is16(version)) return;
    const { transactionData } = csms.calls("StopTransaction")[0];
    const contexts = transactionData.map((each) => each.sampledValue[0].context);
    assert.equal(contexts.at(-1), "Transaction.End");
    assert.deepEqual([...new Set(contexts.slice(0, -1))], ["Sample.Clock"]);
  });
}

for (const version of ["2.0.1", "2.1"]) {
  test(`${version}: a later firmware update takes the place of one under way`, async (t) => {
    // The second is answered AcceptedCanceled and is installed; the first is not heard of any more.
    const page = await connected(t, version);
    const { csms } = page;
    assert.equal(status(await update(page, "https://example.com/one", { requestId: 1, seconds: 60 })), "Accepted");
    await csms.call("FirmwareStatusNotification", ({ status }) => status === "DownloadScheduled");
    assert.equal(status(await update(page, "https://example.com/two", { requestId: 2 })), "AcceptedCanceled");
    await csms.call("FirmwareStatusNotification", ({ status }) => status === "Installed");
    await page.clock.pass(90_000);
    const reported = csms.calls("FirmwareStatusNotification").map((each) => [each.requestId, each.status]);
    const steps = ["Downloading", "Downloaded", "Installing", "Installed"];
    assert.deepEqual(reported, [[1, "DownloadScheduled"], ...steps.map((step) => [2, step])]);
    const boot = csms.calls("BootNotification")[1];
    assert.deepEqual([boot.chargingStation.firmwareVersion, boot.reason], ["two", "FirmwareUpdate"]);
  });

  test(`${version}: a second log request ends the first`, async (t) => {
    // The upload under way is reported as AcceptedCanceled, the new one runs to its end (2.x N01).
    const page = await connected(t, version);
    const { csms } = page;
    const log = { logType: "DiagnosticsLog", log: { remoteLocation: "https://example.com/" } };
    assert.equal(status(await csms.ask("GetLog", { ...log, requestId: 1 })), "Accepted");
    assert.equal(status(await csms.ask("GetLog", { ...log, requestId: 2 })), "AcceptedCanceled");
    await csms.call("LogStatusNotification", ({ status }) => status === "Uploaded");
    await page.clock.pass(10_000);
    const reported = csms.calls("LogStatusNotification").map((each) => [each.requestId, each.status]);
    assert.deepEqual(reported, [
      [1, "Uploading"],
      [1, "AcceptedCanceled"],
      [2, "Uploading"],
      [2, "Uploaded"],
    ]);
  });

  for (const [threshold, expected] of [["0", 2], ["60", 0]]) {
    test(`${version}: after an absence, ${expected} statuses are repeated with an OfflineThreshold of ${threshold}`, async (t) => {
      // 2.x B04.FR.01: longer away than OfflineThreshold means every status, otherwise only what changed.
      const page = await connected(t, version);
      const { csms } = page;
      const place = { component: { name: "OCPPCommCtrlr" }, variable: { name: "OfflineThreshold" } };
      await csms.ask("SetVariables", { setVariableData: [{ ...place, attributeValue: threshold }] });
      assert.equal(csms.calls("StatusNotification").length, 2);
      page.station.link.drop();
      await csms.call("Heartbeat");
      await page.quiet();
      assert.equal(csms.calls("StatusNotification").length - 2, expected);
    });
  }

  test(`${version}: messages for the display and the cost are shown`, async (t) => {
    // Shown by priority and state, listed on request, gone when cleared; the cost stays with the session.
    const page = await connected(t, version);
    const { csms } = page;
    const shown = () =>
      page.value(`station.display.due(
        station.clock.now(), displayState(station.connectors[0]), station.connectors.map((each) => each.transaction?.id)
      )`);
    const show = async (id, priority, content, more = {}) => {
      const message = { id, priority, message: { format: "UTF8", content }, ...more };
      return status(await csms.ask("SetDisplayMessage", { message }));
    };
    assert.equal(shown(), "");
    assert.equal(await show(1, "NormalCycle", "Welcome <b>home</b>"), "Accepted");
    assert.equal(shown(), "Welcome <b>home</b>");
    assert.equal(await show(5, "AlwaysFront", "Replaced by the next"), "Accepted");
    assert.equal(shown(), "Replaced by the next");
    assert.equal(await show(2, "AlwaysFront", "Charging for you", { state: "Charging" }), "Accepted");
    assert.equal(shown(), "Welcome <b>home</b>");
    assert.equal(await show(3, "InFront", "Nobody's", { transactionId: "none" }), "UnknownTransaction");
    await page.charge();
    assert.equal(shown(), "Charging for you");
    const transactionId = page.connector().transaction.id;
    await csms.ask("CostUpdated", { totalCost: 1.25, transactionId });
    assert.match(page.facts(), /cost 1\.25/);
    assert.equal(status(await csms.ask("GetDisplayMessages", { requestId: 7, state: "Charging" })), "Accepted");
    const { messageInfo } = await csms.call("NotifyDisplayMessages");
    assert.deepEqual(messageInfo.map(({ id }) => id), [2]);
    assert.equal(status(await csms.ask("ClearDisplayMessage", { id: 5 })), "Unknown");
    assert.equal(status(await csms.ask("ClearDisplayMessage", { id: 2 })), "Accepted");
    assert.equal(status(await csms.ask("ClearDisplayMessage", { id: 2 })), "Unknown");
    assert.equal(shown(), "Welcome <b>home</b>");
  });
}
