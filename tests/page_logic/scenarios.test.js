"use strict";
// The page's scenarios: they end as they promise, in every version.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { VERSIONS, connected, opened, parsed } = require("./harness.js");

for (const version of VERSIONS) {
  for (const name of ["full", "rejected", "offline", "fault"]) {
    test(`${version}: the scenario "${name}" runs to its end and leaves the connector free`, async (t) => {
      const page = opened(t, version);
      if (name === "rejected") {
        page.csms.answers.Authorize = { [version === "1.6" ? "idTagInfo" : "idTokenInfo"]: { status: "Invalid" } };
      }
      let done = false;
      page.scenarios.run(name).then(() => (done = true));
      await page.until(() => done, 120_000);
      assert.match(page.scenarios.outcome, /: done\.$/);
      assert.equal(page.status(), "Available");
      if (name === "rejected") {
        assert.deepEqual(page.csms.calls("TransactionEvent"), []);
        assert.deepEqual(page.csms.calls("StartTransaction"), []);
      }
    });
  }

  test(`${version}: the scenario "remote" waits for the CSMS, then ends with the CSMS's stop`, async (t) => {
    const page = await connected(t, version);
    let done = false;
    page.scenarios.run("remote").then(() => (done = true));
    await page.until(() => page.scenarios.step === "step.waitstart");
    const is16 = version === "1.6";
    const idToken = { idToken: "REMOTE", type: "Central" };
    if (is16) await page.csms.ask("RemoteStartTransaction", { idTag: "REMOTE" });
    else await page.csms.ask("RequestStartTransaction", { idToken, remoteStartId: 1 });
    await page.until(() => page.scenarios.step === "step.waitstop");
    await page.quiet();
    const transactionId = page.connector().transaction.id;
    await page.csms.ask(is16 ? "RemoteStopTransaction" : "RequestStopTransaction", { transactionId });
    await page.until(() => done);
    assert.match(page.scenarios.outcome, /: done\.$/);
  });
}

test("a scenario that cannot connect names the step that failed, and a second click cancels one", async (t) => {
  const page = opened(t, "1.6");
  page.csms.reachable = false;
  let done = false;
  page.scenarios.run("full").then(() => (done = true));
  await page.until(() => done);
  assert.match(page.scenarios.outcome, /connect/i);
  assert.doesNotMatch(page.scenarios.outcome, /done/);
  done = false;
  page.scenarios.run("full").then(() => (done = true));
  page.scenarios.run("full");
  await page.until(() => done);
  assert.match(page.scenarios.outcome, /cancelled/);
});

test("the offline scenario sends an unanswered event again as it was and all others once", async (t) => {
  // 2.1 part 4, 4.1.4: a retry may keep its id. What happened offline says so; the unanswered event did not.
  const page = opened(t, "2.1");
  const { csms } = page;
  csms.answers.TransactionEvent = (event) => {
    // The charging state is reported at once; unanswered, it is what the loss of the connection finds waiting.
    if (csms.connections.length === 1 && event.triggerReason === "ChargingStateChanged") return null;
    return "idToken" in event ? { idTokenInfo: { status: "Accepted" } } : {};
  };
  await page.connect();
  csms.admits = false;
  let done = false;
  page.scenarios.run("offline").then(() => (done = true));
  await page.until(() => page.station.outbox.queue.some((item) => item.payload.offline));
  csms.admit();
  await page.until(() => done);
  assert.match(page.scenarios.outcome, /done/);
  const sent = csms.texts().filter((text) => text.includes("TransactionEvent"));
  const events = sent.map((text) => parsed(text)[3]);
  assert.deepEqual(
    events.map((event) => event.seqNo),
    [0, 1, ...Array.from({ length: events.length - 2 }, (_, index) => index + 1)],
  );
  assert.equal(sent[1], sent[2]);
  assert.ok(!("offline" in events[1]));
  assert.ok(events.slice(3).some((event) => event.offline));
  assert.equal(new Set(sent.map((text) => parsed(text)[1])).size, sent.length - 1);
  page.keepTrace([["rpc.reused-id", "info"]]);
});

for (const version of ["2.0.1", "2.1"]) {
  test(`${version}: K15: a vehicle reports its needs, waits for the profile and reports the schedule that it chose`, async (t) => {
    const page = opened(t, version);
    const { csms } = page;
    csms.answers.NotifyEVChargingNeeds = { status: "Accepted" };
    csms.answers.NotifyEVChargingSchedule = { status: "Accepted" };
    let done = false;
    page.scenarios.run("needs").then(() => (done = true));
    const { evseId, chargingNeeds } = await csms.call("NotifyEVChargingNeeds", () => true, 60_000);
    assert.equal(evseId, 1);
    assert.deepEqual(chargingNeeds.acChargingParameters, {
      energyAmount: 30_000, evMinCurrent: 6, evMaxCurrent: 32, evMaxVoltage: 230,
    });
    await page.until(() => page.scenarios.step === "step.profile");
    assert.deepEqual(csms.calls("NotifyEVChargingSchedule"), []);
    const chargingSchedulePeriod = [{ startPeriod: 0, limit: 10, numberPhases: 1 }, { startPeriod: 60, limit: 6, numberPhases: 1 }];
    const set = await csms.ask("SetChargingProfile", {
      evseId: 1,
      chargingProfile: {
        id: 9, stackLevel: 1, chargingProfilePurpose: "TxProfile", chargingProfileKind: "Relative",
        transactionId: page.connector().transaction.id,
        chargingSchedule: [{ id: 4, chargingRateUnit: "A", duration: 7200, chargingSchedulePeriod }],
      },
    });
    assert.equal(set[2].status, "Accepted");
    const chosen = await csms.call("NotifyEVChargingSchedule");
    assert.deepEqual(chosen.chargingSchedule, { id: 4, chargingRateUnit: "A", duration: 7200, chargingSchedulePeriod });
    assert.equal(chosen.selectedChargingScheduleId, version === "2.1" ? 4 : undefined);
    await page.until(() => page.connector().limit === 2300);
    await page.until(() => done, 120_000);
    assert.match(page.scenarios.outcome, /: done\.$/);
  });

  test(`${version}: K15.FR.04: a vehicle whose needs are rejected charges without a profile`, async (t) => {
    const page = opened(t, version);
    page.csms.answers.NotifyEVChargingNeeds = { status: "Rejected" };
    let done = false;
    page.scenarios.run("needs").then(() => (done = true));
    await page.until(() => done, 120_000);
    assert.match(page.scenarios.outcome, /: done\.$/);
    assert.deepEqual(page.csms.calls("NotifyEVChargingSchedule"), []);
  });
}

test("1.6: the scenario with charging needs does not start", async (t) => {
  const page = opened(t, "1.6");
  await page.scenarios.run("needs");
  assert.equal(page.scenarios.running, "");
  assert.deepEqual(page.csms.received, []);
});
