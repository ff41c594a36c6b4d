"use strict";
// How sessions on the page go and end: each cause in its own words, in 1.6 and in 2.x.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { VERSIONS, connected, opened } = require("./harness.js");

const is16 = (version) => version === "1.6";

/** The session's last message. */
const ended = (page) =>
  is16(page.version)
    ? page.csms.call("StopTransaction", () => true, 90_000)
    : page.csms.call("TransactionEvent", (event) => event.eventType === "Ended", 90_000);

/** The reason, and in 2.x what triggered the event. */
const reasonOf = (last) =>
  "reason" in last ? [last.reason] : [last.transactionInfo.stoppedReason, last.triggerReason];

const ENDS = [
  ["the card", (page) => page.tap(), ["Local"], ["Local", "StopAuthorized"], ["Finishing", "Occupied"]],
  ["the cable", (page) => page.plug(), ["EVDisconnected"], ["EVDisconnected", "EVCommunicationLost"], ["Available", "Available"]],
  [
    "a fault",
    (page) => page.station.charging.fault(page.connector(), "GroundFailure"),
    ["Other"],
    ["Other", "AbnormalCondition"],
    ["Faulted", "Faulted"],
  ],
];

for (const version of VERSIONS) {
  for (const [cause, end, reason16, reason2x, statuses] of ENDS) {
    test(`${version}: a session that ${cause} ends has the reason for it`, async (t) => {
      const page = await connected(t, version);
      await page.charge();
      end(page);
      assert.deepEqual(reasonOf(await ended(page)), is16(version) ? reason16 : reason2x);
      assert.equal(page.status(), statuses[is16(version) ? 0 : 1]);
      // The card that began the session ends it unasked (1.6 section 4.1).
      assert.equal(page.csms.calls("Authorize").length, 1);
    });
  }

  test(`${version}: an energy limit ends the session`, async (t) => {
    const page = await connected(t, version, "energyLimit=0.002");
    await page.charge();
    assert.deepEqual(reasonOf(await ended(page)), is16(version) ? ["Other"] : ["EnergyLimitReached", "EnergyLimitReached"]);
  });

  test(`${version}: a time limit ends the session`, async (t) => {
    const page = await connected(t, version, "timeLimit=1");
    await page.charge();
    assert.deepEqual(reasonOf(await ended(page)), is16(version) ? ["Other"] : ["TimeLimitReached", "TimeLimitReached"]);
  });

  test(`${version}: a session that the CSMS does not authorize is ended`, async (t) => {
    const page = opened(t, version);
    const blocked = { status: "Blocked" };
    page.csms.answers.StartTransaction = { transactionId: 5, idTagInfo: blocked };
    page.csms.answers.TransactionEvent = ({ eventType }) => (eventType === "Started" ? { idTokenInfo: blocked } : {});
    await page.connect();
    page.plug();
    page.tap();
    const last = await ended(page);
    assert.equal(reasonOf(last)[0], "DeAuthorized");
    if (!is16(version)) return;
    assert.ok(!page.csms.calls("StatusNotification").some(({ status }) => status === "Charging"));
    assert.equal(last.transactionId, 5);
  });

  test(`${version}: a card without a cable runs out after the connection timeout`, async (t) => {
    const page = await connected(t, version);
    page.tap();
    await page.clock.pass(59_000);
    assert.match(page.facts(), /CARD-001/);
    await page.clock.pass(2_000);
    assert.equal(page.status(), "Available");
    page.plug();
    await page.clock.pass(10_000);
    assert.equal(page.connector().transaction, null);
    if (is16(version)) return assert.deepEqual(page.csms.calls("StartTransaction"), []);
    assert.deepEqual(reasonOf(await ended(page)), ["Timeout", "EVConnectTimeout"]);
  });

  test(`${version}: the CSMS starts and stops a session`, async (t) => {
    const page = await connected(t, version);
    const start = is16(version)
      ? ["RemoteStartTransaction", { connectorId: 1, idTag: "REMOTE" }]
      : ["RequestStartTransaction", { evseId: 1, remoteStartId: 9, idToken: { idToken: "REMOTE", type: "Central" } }];
    assert.equal((await page.csms.ask(...start))[2].status, "Accepted");
    page.plug();
    await page.becomes("Charging");
    const transactionId = page.connector().transaction.id;
    const stop = is16(version) ? "RemoteStopTransaction" : "RequestStopTransaction";
    assert.equal((await page.csms.ask(stop, { transactionId }))[2].status, "Accepted");
    assert.equal(reasonOf(await ended(page))[0], "Remote");
    assert.equal(page.status(), is16(version) ? "Finishing" : "Occupied");
  });

  test(`${version}: a reload of the page goes on with the same session`, async (t) => {
    const page = await connected(t, version);
    await page.charge();
    const { ref } = page.connector().transaction;
    await page.quiet();
    page.station.save();
    page.station.link.socket.close(1001, "the page went away");
    page.clock.timers.clear();
    const again = opened(t, version, "", { before: page });
    assert.equal(again.connector().transaction.ref, ref);
    assert.equal(again.value("wasConnected"), true);
    await again.connect();
    await again.becomes("Charging");
    again.tap();
    await ended(again);
    assert.equal(again.csms.calls("BootNotification").length, 1);
  });
}

test("a vehicle that pauses and a limit of nothing suspend the session", async (t) => {
  const page = await connected(t, "1.6");
  await page.charge();
  page.station.charging.pauseVehicle(page.connector(), true);
  await page.becomes("SuspendedEV");
  page.station.charging.pauseVehicle(page.connector(), false);
  await page.becomes("Charging");
  const schedule = { chargingRateUnit: "A", chargingSchedulePeriod: [{ startPeriod: 0, limit: 0 }] };
  const csChargingProfiles = {
    chargingProfileId: 1,
    stackLevel: 0,
    chargingProfilePurpose: "TxDefaultProfile",
    chargingProfileKind: "Relative",
    chargingSchedule: schedule,
  };
  await page.csms.ask("SetChargingProfile", { connectorId: 0, csChargingProfiles });
  await page.becomes("SuspendedEVSE");
  const offered = page.value(
    "station.connectors[0].meter.sample(['Power.Offered', 'Current.Offered'], station.supply).map((each) => each.value)",
  );
  assert.deepEqual(offered, [0, 0]);
  await page.csms.ask("ClearChargingProfile", {});
  await page.becomes("Charging");
  await page.quiet();
  const statuses = page.csms.calls("StatusNotification").filter(({ connectorId }) => connectorId === 1);
  assert.deepEqual(
    statuses.slice(1).map(({ status }) => status),
    ["Preparing", "Charging", "SuspendedEV", "Charging", "SuspendedEVSE", "Charging"],
  );
});

test("two connectors charge at the same time, each with its own session", async (t) => {
  const page = await connected(t, "1.6");
  const numbers = [11, 12];
  page.csms.answers.StartTransaction = () => ({ transactionId: numbers.shift(), idTagInfo: { status: "Accepted" } });
  await page.charge(1);
  page.plug(2);
  page.tap(2, "CARD-002");
  await page.becomes("Charging", 2);
  await page.csms.call("MeterValues", ({ connectorId }) => connectorId === 2);
  const values = page.csms.calls("MeterValues").map(({ connectorId, transactionId }) => [connectorId, transactionId]);
  assert.deepEqual(Object.fromEntries(values), { 1: 11, 2: 12 });
  assert.deepEqual(page.csms.calls("StartTransaction").map(({ idTag }) => idTag), ["CARD-001", "CARD-002"]);
});

test("a pulled cable suspends the session where the CSMS wants that, and the cable continues it", async (t) => {
  const page = await connected(t, "1.6");
  await page.csms.ask("ChangeConfiguration", { key: "StopTransactionOnEVSideDisconnect", value: "false" });
  await page.charge();
  page.plug();
  await page.becomes("SuspendedEV");
  assert.match(page.facts(), /no vehicle connected/);
  await page.clock.pass(1000);
  assert.equal(page.connector().meter.power, 0);
  page.plug();
  await page.becomes("Charging");
  assert.deepEqual(page.csms.calls("StopTransaction"), []);
  page.tap();
  await page.becomes("Finishing");
});
