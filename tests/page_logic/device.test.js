"use strict";
// What the station says about itself, and what it forgets: variables, display messages, the cache, reservations of groups.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { VERSIONS, connected } = require("./harness.js");

const status = (answer) => answer[2].status;
const token = (idToken) => ({ idToken, type: "ISO14443" });

for (const version of VERSIONS) {
  test(`${version}: an authorization cache that is switched off is not cleared (C11.FR.04)`, async (t) => {
    const page = await connected(t, version);
    assert.equal(status(await page.csms.ask("ClearCache", {})), "Accepted");
    page.station.variables.find("AuthorizationCacheEnabled").value = "false";
    assert.equal(status(await page.csms.ask("ClearCache", {})), "Rejected");
  });

  test(`${version}: a schedule has at most as many periods as the station reports`, async (t) => {
    const page = await connected(t, version);
    const ask = (count) => {
      const chargingSchedulePeriod = Array.from({ length: count }, (_, startPeriod) => ({ startPeriod, limit: 1000 }));
      const schedule = { chargingRateUnit: "W", chargingSchedulePeriod };
      const common = { stackLevel: 0, chargingProfilePurpose: "TxDefaultProfile", chargingProfileKind: "Relative" };
      return page.csms.ask(
        "SetChargingProfile",
        version === "1.6"
          ? { connectorId: 1, csChargingProfiles: { ...common, chargingProfileId: 1, chargingSchedule: schedule } }
          : { evseId: 1, chargingProfile: { ...common, id: 1, chargingSchedule: [{ ...schedule, id: 1 }] } },
      );
    };
    assert.equal(status(await ask(65)), "Rejected");
    assert.equal(status(await ask(64)), "Accepted");
  });
}

for (const version of VERSIONS) {
  test(`${version}: a composite schedule of a free connector has the relative default profile, from now on`, async (t) => {
    const page = await connected(t, version);
    const chargingSchedulePeriod = [{ startPeriod: 0, limit: 3000 }, { startPeriod: 600, limit: 5000 }];
    const common = { stackLevel: 0, chargingProfilePurpose: "TxDefaultProfile", chargingProfileKind: "Relative" };
    const schedule = { chargingRateUnit: "W", chargingSchedulePeriod };
    const is16 = version === "1.6";
    await page.csms.ask(
      "SetChargingProfile",
      is16
        ? { connectorId: 1, csChargingProfiles: { ...common, chargingProfileId: 1, chargingSchedule: schedule } }
        : { evseId: 1, chargingProfile: { ...common, id: 1, chargingSchedule: [{ ...schedule, id: 1 }] } },
    );
    const place = is16 ? { connectorId: 1 } : { evseId: 1 };
    const [, , answer] = await page.csms.ask("GetCompositeSchedule", { ...place, duration: 900, chargingRateUnit: "W" });
    const found = (is16 ? answer.chargingSchedule : answer.schedule).chargingSchedulePeriod;
    assert.deepEqual(found.map((each) => [each.startPeriod, each.limit]), [[0, 3000], [600, 5000]]);
  });
}

for (const version of ["2.0.1", "2.1"]) {
  test(`${version}: K01.FR.52, K01.FR.53: a default for all EVSEs excludes one for a single EVSE`, async (t) => {
    const { csms } = await connected(t, version);
    const ask = (evseId, id, stackLevel = 0) =>
      csms.ask("SetChargingProfile", {
        evseId,
        chargingProfile: {
          id, stackLevel, chargingProfilePurpose: "TxDefaultProfile", chargingProfileKind: "Relative",
          chargingSchedule: [{ id: 1, chargingRateUnit: "W", chargingSchedulePeriod: [{ startPeriod: 0, limit: 900 }] }],
        },
      });
    assert.equal(status(await ask(1, 1)), "Accepted");
    assert.equal(status(await ask(0, 2)), "Rejected");
    assert.equal(status(await ask(0, 2, 1)), "Accepted");
    assert.equal(status(await ask(2, 3, 1)), "Rejected");
    assert.equal(status(await ask(2, 3)), "Accepted");
  });

  test(`${version}: connectors have the required variables, and GetVariables finds them`, async (t) => {
    const { csms } = await connected(t, version);
    const component = { name: "Connector", evse: { id: 2, connectorId: 1 } };
    const names = ["Available", "AvailabilityState", "ConnectorType", "SupplyPhases"];
    const asked = await csms.ask("GetVariables", {
      getVariableData: names.map((name) => ({ component, variable: { name } })),
    });
    assert.deepEqual(
      asked[2].getVariableResult.map((each) => [each.attributeStatus, each.attributeValue]),
      [["Accepted", "true"], ["Accepted", "Available"], ["Accepted", "sType2"], ["Accepted", "1"]],
    );
    await csms.ask("GetReport", { requestId: 4, componentVariable: [{ component }] });
    const { reportData } = await csms.call("NotifyReport");
    assert.deepEqual(reportData.map((each) => each.component), names.map(() => component));
  });

  test(`${version}: a display message ends with its time and with its transaction`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    await page.charge();
    const text = { priority: "NormalCycle", message: { format: "UTF8", content: "Hello" } };
    const { id } = page.connector().transaction;
    await csms.ask("SetDisplayMessage", { message: { ...text, id: 1, transactionId: id } });
    const endDateTime = new Date(page.clock.now + 2_000).toISOString();
    await csms.ask("SetDisplayMessage", { message: { ...text, id: 2, endDateTime } });
    const ask = (wanted) => csms.ask("GetDisplayMessages", { requestId: 1, id: [wanted] });
    assert.deepEqual([status(await ask(1)), status(await ask(2))], ["Accepted", "Accepted"]);
    await page.clock.pass(3_000);
    assert.deepEqual([status(await ask(1)), status(await ask(2))], ["Accepted", "Unknown"]);
    page.tap();
    await csms.call("TransactionEvent", (event) => event.eventType === "Ended");
    assert.equal(status(await csms.ask("ClearDisplayMessage", { id: 1 })), "Unknown");
  });

  test(`${version}: F01.FR.22: a remote start for the group of a reservation is accepted`, async (t) => {
    const page = await connected(t, version);
    const { csms } = page;
    const expiryDateTime = new Date(page.clock.now + 600_000).toISOString();
    await csms.ask("ReserveNow", { id: 4, evseId: 1, expiryDateTime, idToken: token("A"), groupIdToken: token("FAMILY") });
    const start = (idToken, group) =>
      csms.ask("RequestStartTransaction", {
        evseId: 1, remoteStartId: 1, idToken: token(idToken), ...(group ? { groupIdToken: token(group) } : {}),
      });
    assert.equal(status(await start("B")), "Rejected");
    assert.equal(status(await start("B", "OTHERS")), "Rejected");
    assert.equal(status(await start("B", "family")), "Accepted");
  });
}
