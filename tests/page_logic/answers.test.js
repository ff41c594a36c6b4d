"use strict";
// What the page answers the CSMS: every action, as the schema has it, and with the effect that it promises.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Page, VERSIONS, connected, opened, parsed, requests } = require("./harness.js");

const is16 = (version) => version === "1.6";
const status = (answer) => answer[2].status;

for (const version of VERSIONS) {
  test(`${version}: every action of the CSMS is answered by the book`, (t) => {
    // The least and the fullest request of each action; pytest holds the answers against their schemas.
    const page = new Page(t, { search: `version=${version}` });
    page.station.boot.status = "Accepted";
    const theirs = page.value(`Object.keys(Schemas.of(given)).filter(
      (action) => action === "DataTransfer" || !STATION_ACTIONS[given].includes(action)
    )`, version);
    assert.deepEqual(Object.keys(requests[version]).sort(), theirs.sort());
    for (const [action, payloads] of Object.entries(requests[version])) {
      for (const payload of payloads) {
        const { answer, error } = page.decide(action, payload);
        assert.ok(answer, `${action} got CALLERROR ${error}`);
      }
    }
  });

  test(`${version}: a request that breaks its schema gets the CALLERROR of the version`, async (t) => {
    const { csms } = await connected(t, version);
    const missing = is16(version) ? "OccurenceConstraintViolation" : "OccurrenceConstraintViolation";
    const extra = is16(version) ? "FormationViolation" : "FormatViolation";
    const type = is16(version) ? "Hard" : "Immediate";
    for (const [action, payload, code] of [
      ["MakeCoffee", {}, "NotImplemented"],
      ["Reset", {}, missing],
      ["Reset", { type: 7 }, "TypeConstraintViolation"],
      ["Reset", { type: "Lukewarm" }, "PropertyConstraintViolation"],
      ["Reset", { type, gently: true }, extra],
    ]) {
      assert.equal((await csms.ask(action, payload))[2], code, `${action} ${JSON.stringify(payload)}`);
    }
  });

  test(`${version}: text that is not a message is answered as the version has it`, async (t) => {
    const code = is16(version) ? "FormationViolation" : "RpcFrameworkError";
    const { csms } = await connected(t, version);
    csms.send('[2,"shape","Reset"]');
    assert.equal((await csms.wait((frame) => frame[1] === "shape"))[2], code);
    csms.send("not json");
    csms.send('[9,"type",{}]');
    csms.send('[2,"after","ClearCache",{}]');
    await csms.wait((frame) => frame[1] === "after");
    const errors = csms.received.filter((frame) => frame[0] === 4).map((frame) => frame.slice(1, 3));
    const unreadable = [
      ["-1", code],
      ["type", "MessageTypeNotSupported"],
    ];
    assert.deepEqual(errors, [["shape", code], ...(is16(version) ? [] : unreadable)]);
  });

  test(`${version}: a pending station is quiet until it is accepted`, async (t) => {
    // Only what was triggered goes out; remote starts are refused; a triggered boot may be accepted.
    const page = opened(t, version);
    const { csms, station } = page;
    const boot = { currentTime: new Date(page.clock.now).toISOString(), interval: 60 };
    csms.answers.BootNotification = { ...boot, status: "Pending" };
    station.connect();
    await page.until(() => station.boot.status === "Pending");
    page.plug();
    station.say("Heartbeat", {});
    const refusal = is16(version)
      ? await csms.ask("RemoteStartTransaction", { idTag: "REMOTE" })
      : await csms.ask("RequestStartTransaction", { idToken: { idToken: "R", type: "Central" }, remoteStartId: 1 });
    assert.equal(status(refusal), "Rejected");
    await csms.ask("TriggerMessage", { requestedMessage: "StatusNotification" });
    await csms.call("StatusNotification");
    assert.deepEqual(csms.calls("Heartbeat"), []);
    csms.answers.BootNotification = { ...boot, status: "Accepted" };
    assert.equal(status(await csms.ask("TriggerMessage", { requestedMessage: "BootNotification" })), "Accepted");
    await page.until(() => station.online());
    assert.equal(csms.calls("BootNotification").length, 2);
  });

  test(`${version}: a station that is not accepted boots again after the interval`, async (t) => {
    const page = opened(t, version);
    const currentTime = new Date(page.clock.now).toISOString();
    page.csms.answers.BootNotification = { currentTime, interval: 60, status: "Rejected" };
    page.station.connect();
    await page.clock.pass(59_000);
    assert.equal(page.csms.calls("BootNotification").length, 1);
    await page.clock.pass(2_000);
    assert.equal(page.csms.calls("BootNotification").length, 2);
  });

  test(`${version}: a rejected station is silent in 1.6 and answers SecurityError in 2.x`, async (t) => {
    const page = opened(t, version);
    const { csms } = page;
    const currentTime = new Date(page.clock.now).toISOString();
    csms.answers.BootNotification = { currentTime, interval: 60, status: "Rejected" };
    page.station.connect();
    await page.until(() => page.station.boot.status === "Rejected");
    csms.send(JSON.stringify([2, "while-rejected", "ClearCache", {}]), csms.connections.at(-1));
    delete csms.answers.BootNotification;
    await page.until(() => page.station.online(), 90_000);
    assert.deepEqual((await csms.ask("ClearCache", {}))[2], { status: "Accepted" });
    const answers = csms.received.filter((frame) => frame[1] === "while-rejected").map((frame) => frame.slice(0, 3));
    assert.deepEqual(answers, version === "1.6" ? [] : [[4, "while-rejected", "SecurityError"]]);
  });

  test(`${version}: a list with a token twice, or a full one without a token's status, fails`, async (t) => {
    const { csms } = await connected(t, version);
    const entry = (token, known = true) =>
      version === "1.6"
        ? { idTag: token, ...(known ? { idTagInfo: { status: "Accepted" } } : {}) }
        : { idToken: { idToken: token, type: "ISO14443" }, ...(known ? { idTokenInfo: { status: "Accepted" } } : {}) };
    const send = async (updateType, localAuthorizationList) =>
      status(await csms.ask("SendLocalList", {
        [version === "1.6" ? "listVersion" : "versionNumber"]: 1, updateType, localAuthorizationList,
      }));
    assert.equal(await send("Full", [entry("A"), entry("a")]), "Failed");
    assert.equal(await send("Full", [entry("A"), entry("B", false)]), "Failed");
    assert.equal(await send("Full", [entry("A"), entry("B")]), "Accepted");
  });

  test(`${version}: what is triggered comes after the answer`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    for (const requestedMessage of ["Heartbeat", "StatusNotification", "MeterValues", "FirmwareStatusNotification"]) {
      const before = csms.calls(requestedMessage).length;
      const answer = await csms.ask("TriggerMessage", { requestedMessage });
      assert.equal(status(answer), "Accepted");
      const at = csms.received.findIndex((frame) => frame[1] === answer[1]);
      const untilThen = csms.received.slice(0, at).filter((frame) => frame[2] === requestedMessage);
      assert.equal(untilThen.length, before);
      await page.until(() => csms.calls(requestedMessage).length > before);
    }
    assert.equal(status(await csms.ask("TriggerMessage", { requestedMessage: "BootNotification" })), "Rejected");
  });

  test(`${version}: a reservation keeps the connector for its card until it is cancelled or runs out`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    const reserve = (id, seconds) => {
      const until = new Date(page.clock.now + seconds * 1000).toISOString();
      if (is16(version)) return { connectorId: 1, expiryDate: until, idTag: "HOLDER", reservationId: id };
      return { id, expiryDateTime: until, idToken: { idToken: "HOLDER", type: "Central" }, evseId: 1 };
    };
    assert.equal(status(await csms.ask("ReserveNow", reserve(3, 60))), "Accepted");
    await page.becomes("Reserved");
    assert.equal(await settle(page, page.tap()), "Refused");
    assert.ok(page.notes().some((note) => note.includes("Reserved for another card")));
    assert.equal(status(await csms.ask("CancelReservation", { reservationId: 4 })), "Rejected");
    assert.equal(status(await csms.ask("CancelReservation", { reservationId: 3 })), "Accepted");
    await page.becomes("Available");
    assert.equal(status(await csms.ask("ReserveNow", reserve(5, 1.5))), "Accepted");
    await page.becomes("Reserved");
    await page.becomes("Available");
    assert.equal(status(await csms.ask("ReserveNow", reserve(6, 60))), "Accepted");
    assert.equal(await settle(page, page.tap(1, "HOLDER")), "Accepted");
  });

  test(`${version}: availability waits for the session, and a reset ends it and boots again`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    await page.charge();
    const change = is16(version)
      ? { connectorId: 1, type: "Inoperative" }
      : { operationalStatus: "Inoperative", evse: { id: 1 } };
    assert.equal(status(await csms.ask("ChangeAvailability", change)), "Scheduled");
    assert.equal(status(await csms.ask("Reset", { type: is16(version) ? "Soft" : "Immediate" })), "Accepted");
    await page.until(() => csms.calls("BootNotification").length === 2);
    await page.becomes("Unavailable");
    if (is16(version)) return assert.equal(csms.calls("StopTransaction")[0].reason, "SoftReset");
    const ended = csms.calls("TransactionEvent").at(-1);
    assert.deepEqual([ended.eventType, ended.transactionInfo.stoppedReason], ["Ended", "ImmediateReset"]);
    assert.equal(csms.calls("BootNotification")[1].reason, "RemoteReset");
  });

  test(`${version}: profiles outside the rules are refused, and the rest make a schedule`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    const install = async (connector, purpose, periods, number = 1) => {
      const schedule = {
        chargingRateUnit: "W",
        chargingSchedulePeriod: periods.map(([startPeriod, limit]) => ({ startPeriod, limit })),
        startSchedule: new Date(page.clock.now).toISOString(),
      };
      const profile = { stackLevel: 0, chargingProfilePurpose: purpose, chargingProfileKind: "Absolute" };
      const request = is16(version)
        ? {
            connectorId: connector,
            csChargingProfiles: { ...profile, chargingProfileId: number, chargingSchedule: schedule },
          }
        : { evseId: connector, chargingProfile: { ...profile, id: number, chargingSchedule: [{ ...schedule, id: 1 }] } };
      return status(await csms.ask("SetChargingProfile", request));
    };
    const stationMaximum = is16(version) ? "ChargePointMaxProfile" : "ChargingStationMaxProfile";
    assert.equal(await install(1, "TxProfile", [[0, 5000]]), "Rejected");
    assert.equal(await install(1, stationMaximum, [[0, 5000]]), "Rejected");
    assert.equal(await install(0, "TxDefaultProfile", [[60, 5000]]), "Rejected");
    assert.equal(await install(9, "TxDefaultProfile", [[0, 5000]]), "Rejected");
    assert.equal(await install(0, "TxDefaultProfile", [[0, 5000], [600, 2000]]), "Accepted");
    assert.equal(await install(0, stationMaximum, [[0, 4000]], 2), "Accepted");
    const target = is16(version) ? { connectorId: 1 } : { evseId: 1 };
    const answer = await csms.ask("GetCompositeSchedule", { ...target, duration: 1200, chargingRateUnit: "W" });
    const { chargingSchedulePeriod: periods } = answer[2][is16(version) ? "chargingSchedule" : "schedule"];
    assert.deepEqual(periods.map(({ limit }) => limit), [4000, 2000]);
    assert.ok(Math.abs(periods[1].startPeriod - 600) <= 2);
    const clear = is16(version) ? { id: 1 } : { chargingProfileId: 1 };
    assert.equal(status(await csms.ask("ClearChargingProfile", clear)), "Accepted");
    assert.equal(status(await csms.ask("ClearChargingProfile", clear)), "Unknown");
    const clearLevel = (stackLevel) =>
      csms.ask("ClearChargingProfile", is16(version) ? { stackLevel } : { chargingProfileCriteria: { stackLevel } });
    assert.equal(status(await clearLevel(5)), "Unknown");
    assert.equal(status(await clearLevel(0)), "Accepted");
    assert.deepEqual(page.station.profiles.all.length, 0);
  });
}

test("1.6: configuration is read, set, and takes effect", async (t) => {
  const { csms } = await connected(t, "1.6");
  const set = async (key, value) => status(await csms.ask("ChangeConfiguration", { key, value }));
  assert.deepEqual((await csms.ask("GetConfiguration", { key: ["HeartbeatInterval", "NoSuchKey"] }))[2], {
    configurationKey: [{ key: "HeartbeatInterval", readonly: false, value: "300" }],
    unknownKey: ["NoSuchKey"],
  });
  assert.equal(await set("NumberOfConnectors", "9"), "Rejected");
  assert.equal(await set("NoSuchKey", "9"), "NotSupported");
  assert.equal(await set("heartbeatINTERVAL", "1"), "Accepted");
  assert.deepEqual((await csms.ask("GetConfiguration", { key: ["HEARTBEATinterval"] }))[2], {
    configurationKey: [{ key: "HeartbeatInterval", readonly: false, value: "1" }],
  });
  await csms.call("Heartbeat", () => true, 3_000);
});

for (const version of ["2.0.1", "2.1"]) {
  test(`${version}: external constraints from a CSMS are rejected`, async (t) => {
    const { csms } = await connected(t, version);
    const schedule = { id: 1, chargingRateUnit: "W", chargingSchedulePeriod: [{ startPeriod: 0, limit: 1 }] };
    const chargingProfile = {
      id: 1, stackLevel: 0, chargingProfilePurpose: "ChargingStationExternalConstraints",
      chargingProfileKind: "Absolute", chargingSchedule: [schedule],
    };
    assert.equal(status(await csms.ask("SetChargingProfile", { evseId: 0, chargingProfile })), "Rejected");
  });

  test(`${version}: variables are read, set, reported, and take effect`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    const interval = { component: { name: "OCPPCommCtrlr" }, variable: { name: "HeartbeatInterval" } };
    const secret = { component: { name: "SecurityCtrlr" }, variable: { name: "BasicAuthPassword" } };
    const unknown = { component: { name: "Toaster" }, variable: { name: "Heat" } };
    const asked = await csms.ask("GetVariables", { getVariableData: [interval, secret, unknown] });
    const results = asked[2].getVariableResult;
    assert.deepEqual(results.map((each) => each.attributeStatus), ["Accepted", "Rejected", "UnknownComponent"]);
    assert.equal(results[0].attributeValue, "300");
    assert.ok(!("attributeValue" in results[1]));
    await csms.ask("SetVariables", { setVariableData: [{ ...interval, attributeValue: "1" }] });
    await csms.call("Heartbeat", () => true, 3_000);
    await csms.ask("GetBaseReport", { requestId: 5, reportBase: "FullInventory" });
    await csms.call("NotifyReport", (report) => !report.tbc);
    const reports = csms.calls("NotifyReport");
    assert.ok(reports.length > 1);
    assert.deepEqual(reports.map(({ seqNo }) => seqNo), reports.map((_, index) => index));
  });

  test(`${version}: a reset on idle waits for the session's end`, async (t) => {
    const page = await connected(t, version);
    await page.charge();
    assert.equal(status(await page.csms.ask("Reset", { type: "OnIdle" })), "Scheduled");
    await page.clock.pass(20_000);
    assert.equal(page.csms.calls("BootNotification").length, 1);
    page.tap();
    await page.until(() => page.csms.calls("BootNotification").length === 2);
    assert.equal(page.csms.calls("BootNotification")[1].reason, "ScheduledReset");
  });
}

test("1.6: a local list decides offline, and versions of the list are compared", async (t) => {
  const page = await connected(t, "1.6");
  const { csms } = page;
  const entry = { idTag: "CARD-001", idTagInfo: { status: "Accepted" } };
  const full = { listVersion: 3, updateType: "Full", localAuthorizationList: [entry] };
  assert.equal(status(await csms.ask("SendLocalList", full)), "Accepted");
  const stale = { listVersion: 3, updateType: "Differential", localAuthorizationList: [] };
  assert.equal(status(await csms.ask("SendLocalList", stale)), "VersionMismatch");
  assert.deepEqual((await csms.ask("GetLocalListVersion", {}))[2], { listVersion: 3 });
  page.station.disconnect();
  await page.charge();
  await page.connect();
  await csms.call("MeterValues");
  assert.equal(csms.calls("StartTransaction")[0].idTag, "CARD-001");
  assert.equal(csms.calls("MeterValues")[0].transactionId, 4711);
});

test("offline, a card that nobody knows is refused", async (t) => {
  const page = opened(t, "1.6");
  page.plug();
  assert.equal(await settle(page, page.tap(1, "NOBODY")), "Unknown");
  assert.equal(page.connector().transaction, null);
});

test("frames that cross in one packet are answered one by one, in order", async (t) => {
  const { csms, clock } = await connected(t, "2.1");
  for (const id of ["a", "b", "c"]) csms.send(`[2,"${id}","ClearCache",{}]`);
  await clock.pass(100);
  assert.deepEqual(csms.texts().slice(-3).map((text) => parsed(text)[1]), ["a", "b", "c"]);
});

/** Let time pass until a promise of the page is kept; returns its value. */
async function settle(page, promise) {
  let value;
  let kept = false;
  promise.then((found) => {
    value = found;
    kept = true;
  });
  await page.until(() => kept);
  return value;
}
