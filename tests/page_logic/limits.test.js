"use strict";
// Profiles that the page must reject, and limits that change while a session runs.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { connected } = require("./harness.js");

const status = (answer) => answer[2].status;
const reason = (answer) => answer[2].statusInfo?.reasonCode;
const TOKEN = { idToken: "R", type: "Central" };
const START = "2026-01-01T00:00:00Z";

/** A SetChargingProfile with one period, whose members are given. */
function setting(period, profile = {}, schedule = {}, evseId = 1) {
  const periods = [{ startPeriod: 0, ...period }];
  return {
    evseId,
    chargingProfile: {
      id: 1, stackLevel: 0, chargingProfilePurpose: "TxDefaultProfile", chargingProfileKind: "Relative", ...profile,
      chargingSchedule: [{ id: 1, chargingRateUnit: "W", chargingSchedulePeriod: periods, ...schedule }],
    },
  };
}

const MAXIMUM = { chargingProfilePurpose: "ChargingStationMaxProfile" };
const ABSOLUTE = { chargingProfileKind: "Absolute" };
const DYNAMIC = { chargingProfileKind: "Dynamic" };
const FIRST = { chargingProfilePurpose: "PriorityCharging" };
const LOW = { limit: 3000 };
const OLD = [
  // requirement, reasonCode, a request that is rejected, one that is accepted
  ["K01.FR.38", "InvalidProfile", setting(LOW, MAXIMUM, {}, 0), setting(LOW, { ...MAXIMUM, ...ABSOLUTE }, { startSchedule: START }, 0)],
  ["K01.FR.40", "InvalidSchedule", setting(LOW, ABSOLUTE), setting(LOW, ABSOLUTE, { startSchedule: START })],
  ["K01.FR.41", "InvalidSchedule", setting(LOW, {}, { startSchedule: START }), setting(LOW)],
  ["K01.FR.48", "InvalidSchedule", setting({ ...LOW, numberPhases: 1, phaseToUse: 2 }), setting({ ...LOW, numberPhases: 1 })],
];
const NEW = [
  ["K01.FR.70", "InvalidProfile", setting(LOW, FIRST, { duration: 60 }), setting(LOW, FIRST)],
  ["K01.FR.71", "InvalidProfile", setting({ operationMode: "Idle" }, FIRST), setting(LOW, FIRST)],
  ["K01.FR.144", "PhaseConflict", setting({ ...LOW, limit_L2: 5 }), setting(LOW)],
  ["K01.FR.115", "InvalidOperationMode", setting({ operationMode: "ExternalLimits" }), setting({ operationMode: "ChargingOnly", ...LOW })],
  ["K01.FR.120", "UnsupportedPurpose", setting(LOW, { chargingProfilePurpose: "LocalGeneration" }), setting(LOW)],
  ["K01.FR.126", "InvalidSchedule", setting({ ...LOW, evseSleep: true }), setting({ ...LOW, evseSleep: false })],
  ["K28.FR.03", "InvalidSchedule", setting(LOW, DYNAMIC, { chargingSchedulePeriod: [{ startPeriod: 0 }, { startPeriod: 9 }] }), setting(LOW, DYNAMIC)],
  ["K28.FR.04", "InvalidProfile", setting(LOW, { dynUpdateInterval: 5 }), setting(LOW, { ...DYNAMIC, dynUpdateInterval: 5 })],
  ["Q08.FR.03", "NoFreqWattCurve", setting({ operationMode: "LocalFrequency", v2xBaseline: 1 }), setting(LOW)],
  ["Q10.FR.02", "InvalidSchedule", setting({ operationMode: "Idle", limit: 0 }), setting({ operationMode: "Idle" })],
];

for (const version of ["2.0.1", "2.1"]) {
  for (const [requirement, code, wrong, right] of version === "2.1" ? [...OLD, ...NEW] : OLD) {
    test(`${version}: ${requirement}: a profile that breaks it is rejected with its reason`, async (t) => {
      const { csms } = await connected(t, version);
      const answer = await csms.ask("SetChargingProfile", wrong);
      assert.deepEqual([status(answer), reason(answer)], ["Rejected", code]);
      assert.equal(status(await csms.ask("SetChargingProfile", right)), "Accepted");
    });
  }

  test(`${version}: H01.FR.17: a reservation of an EVSE that becomes unavailable is removed`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    const expiryDateTime = new Date(page.clock.now + 600_000).toISOString();
    assert.equal(status(await csms.ask("ReserveNow", { id: 4, evseId: 1, expiryDateTime, idToken: TOKEN })), "Accepted");
    await csms.ask("ChangeAvailability", { operationalStatus: "Inoperative", evse: { id: 1 } });
    const ended = await csms.call("ReservationStatusUpdate");
    assert.deepEqual(ended, { reservationId: 4, reservationUpdateStatus: "Removed" });
  });

  test(`${version}: C03.FR.01: a Central token is not authorized again before a remote start`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    page.station.variables.find("AuthorizeRemoteTxRequests").value = "true";
    page.plug();
    assert.equal(status(await csms.ask("RequestStartTransaction", { idToken: TOKEN, remoteStartId: 1 })), "Accepted");
    await page.becomes("Charging");
    assert.deepEqual(csms.calls("Authorize"), []);
    await csms.ask("RequestStopTransaction", { transactionId: page.connector().transaction.id });
    page.plug();
    page.plug();
    await csms.ask("RequestStartTransaction", { idToken: { idToken: "R", type: "ISO14443" }, remoteStartId: 2 });
    await csms.call("Authorize");
  });
}

for (const version of ["2.0.1", "2.1"]) {
  test(`${version}: requests about what the station does not have are refused`, async (t) => {
    const { csms } = await connected(t, version);
    const evse = { id: 1, connectorId: 2 };
    assert.equal(status(await csms.ask("ChangeAvailability", { operationalStatus: "Inoperative", evse })), "Rejected");
    assert.equal(status(await csms.ask("TriggerMessage", { requestedMessage: "StatusNotification", evse })), "Rejected");
    await csms.ask("SetChargingProfile", setting(LOW));
    const get = (chargingLimitSource) =>
      csms.ask("GetChargingProfiles", { requestId: 1, chargingProfile: { chargingLimitSource: [chargingLimitSource] } });
    assert.equal(status(await get("EMS")), "NoProfiles");
    assert.equal(status(await get("CSO")), "Accepted");
    const daily = setting(LOW, { recurrencyKind: "Daily" });
    assert.equal(status(await csms.ask("SetChargingProfile", daily)), "Rejected");
    const customer = { report: false, clear: true };
    assert.equal(status(await csms.ask("CustomerInformation", { requestId: 1, ...customer })), "Invalid");
    assert.equal(status(await csms.ask("CustomerInformation", { requestId: 2, ...customer, idToken: TOKEN })), "Accepted");
    assert.equal((await csms.call("NotifyCustomerInformation")).requestId, 2);
    if (version === "2.1")
      assert.equal(reason(await csms.ask("AFRRSignal", { timestamp: START, signal: 1 })), "NoSignalWattCurve");
  });
}

test("2.1: B13.FR.01: a reset that should resume transactions is rejected", async (t) => {
  const { csms } = await connected(t, "2.1");
  assert.equal(status(await csms.ask("Reset", { type: "ImmediateAndResume" })), "Rejected");
});

const wattsOf = (page) => page.connector().limit;

test("2.1: K21: priority charging replaces the default profile and is reported", async (t) => {
  const page = await connected(t, "2.1");
  const { csms } = page;
  await csms.ask("SetChargingProfile", setting({ limit: 2000 }));
  await page.charge();
  const { id } = page.connector().transaction;
  const use = (activate, transactionId = id) => csms.ask("UsePriorityCharging", { transactionId, activate });
  assert.equal(status(await use(true)), "NoProfile");
  assert.equal(status(await use(true, "other")), "Rejected");
  await csms.ask("SetChargingProfile", setting({ limit: 6000 }, { id: 2, chargingProfilePurpose: "PriorityCharging" }, {}, 0));
  await page.until(() => wattsOf(page) === 2000);
  for (const [activate, watts] of [[true, 6000], [false, 2000]]) {
    assert.equal(status(await use(activate)), "Accepted");
    await csms.call("NotifyPriorityCharging", (payload) => payload.activated === activate);
    await page.until(() => wattsOf(page) === watts);
  }
});

test("2.1: K28: a dynamic profile is pulled at its interval, and updated", async (t) => {
  const page = await connected(t, "2.1");
  const { csms } = page;
  csms.answers.PullDynamicScheduleUpdate = { status: "Accepted", scheduleUpdate: { limit: 1500 } };
  await csms.ask("SetChargingProfile", setting(LOW, { ...DYNAMIC, dynUpdateInterval: 20 }));
  await page.charge();
  await page.until(() => wattsOf(page) === 1500);
  assert.deepEqual(csms.calls("PullDynamicScheduleUpdate")[0], { chargingProfileId: 1 });
  csms.answers.PullDynamicScheduleUpdate = { status: "Rejected" };
  const update = (chargingProfileId) => csms.ask("UpdateDynamicSchedule", { chargingProfileId, scheduleUpdate: { limit: 2500 } });
  assert.equal(status(await update(1)), "Accepted");
  await page.until(() => wattsOf(page) === 2500);
  assert.equal(status(await update(9)), "Rejected");
  await csms.ask("ClearChargingProfile", { chargingProfileId: 1 });
  const before = csms.calls("PullDynamicScheduleUpdate").length;
  await page.clock.pass(60_000);
  assert.equal(csms.calls("PullDynamicScheduleUpdate").length, before);
});

for (const [limit, trigger] of [[{ maxEnergy: 50 }, "EnergyLimitReached"], [{ maxTime: 20 }, "TimeLimitReached"]]) {
  test(`2.1: E16: ${Object.keys(limit)} is confirmed and obeyed, and a higher one lets the session go on`, async (t) => {
    const page = await connected(t, "2.1");
    const { csms } = page;
    let given = limit;
    csms.answers.TransactionEvent = () => ({ transactionLimit: given });
    await page.charge();
    const confirmed = await csms.call("TransactionEvent", (event) => event.triggerReason === "LimitSet");
    assert.deepEqual(confirmed.transactionInfo.transactionLimit, limit);
    const reached = await csms.call("TransactionEvent", (event) => event.triggerReason === trigger);
    assert.equal(reached.transactionInfo.chargingState, "SuspendedEVSE");
    given = Object.fromEntries(Object.keys(limit).map((name) => [name, 99_999]));
    await page.becomes("Charging");
  });
}

test("2.1: a limit that is not supported is not confirmed", async (t) => {
  const page = await connected(t, "2.1");
  page.csms.answers.TransactionEvent = { transactionLimit: { maxCost: 1 } };
  await page.charge();
  await page.clock.pass(10_000);
  const triggers = page.csms.calls("TransactionEvent").map((event) => event.triggerReason);
  assert.ok(!triggers.includes("LimitSet"), triggers.join());
});
