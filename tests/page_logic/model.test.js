"use strict";
// What the page believes of meters, statuses and charging profiles.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Page } = require("./harness.js");

const AC = { kind: "ac", maxPower: 7_400, phases: 1, batteryWh: 60_000 };
const DC = { kind: "dc", maxPower: 150_000, phases: 1, batteryWh: 60_000 };

/** OCPP 1.6 section 4.9, written down here once more. */
const MATRIX = {
  Available: "Preparing Charging SuspendedEV SuspendedEVSE Reserved Unavailable Faulted",
  Preparing: "Available Charging SuspendedEV SuspendedEVSE Finishing Faulted",
  Charging: "Available SuspendedEV SuspendedEVSE Finishing Unavailable Faulted",
  SuspendedEV: "Available Charging SuspendedEVSE Finishing Unavailable Faulted",
  SuspendedEVSE: "Available Charging SuspendedEV Finishing Unavailable Faulted",
  Finishing: "Available Preparing Unavailable Faulted",
  Reserved: "Available Preparing Unavailable Faulted",
  Unavailable: "Available Preparing Charging SuspendedEV SuspendedEVSE Faulted",
  Faulted: "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable",
};

test("status goes from any to any by allowed changes only", (t) => {
  const page = new Page(t);
  for (const start of Object.keys(MATRIX)) {
    for (const end of Object.keys(MATRIX)) {
      const path = page.value("statusPath(...given)", [start, end]);
      assert.deepEqual(path.slice(-1), start === end ? [] : [end]);
      path.reduce((before, after) => {
        assert.ok(MATRIX[before].split(" ").includes(after), `${start} to ${end}: ${path}`);
        return after;
      }, start);
    }
  }
});

/** [power W, register Wh, state of charge] after each second. */
const flow = (page, supply, soc, seconds, target) =>
  page.value(
    `(() => {
      const meter = new Meter(1000);
      meter.soc = given.soc;
      return Array.from({ length: given.seconds }, () => {
        meter.advance(1, given.target ?? meter.demand(given.supply), given.supply);
        return [meter.power, meter.register, meter.soc];
      });
    })()`,
    { supply, soc, seconds, target },
  );

test("power rises within seconds, holds, and a limit counts from the next second", (t) => {
  const page = new Page(t);
  const hour = flow(page, AC, 30, 3600);
  const powers = hour.map(([power]) => power);
  assert.ok(powers[0] < powers[2] && powers[2] < powers[4]);
  assert.ok(powers.slice(6).every((power) => power === 7_400));
  const energy = hour.at(-1)[1] - 1000;
  assert.ok(Math.abs(energy - 7_400) <= 74, `${energy} Wh in an hour`);
  assert.equal(flow(page, AC, 30, 1, 0)[0][0], 0);
});

test("DC power falls as the battery fills and never exceeds the maximum", (t) => {
  const page = new Page(t);
  const [at30, at60, at80, at95] = [30, 60, 80, 95].map((soc) => flow(page, DC, soc, 60).at(-1)[0]);
  assert.equal(at30, 150_000);
  assert.ok(at30 > at60 && at60 > at80 && at80 > at95 && at95 > 0);
  const hour = flow(page, DC, 20, 3600);
  assert.ok(Math.max(...hour.map(([power]) => power)) <= 150_000);
  assert.ok(hour.at(-1)[0] < 20_000);
  hour.reduce((before, [, register]) => {
    assert.ok(register >= before, "the register never falls");
    return register;
  }, 0);
});

const T0 = 1_700_000_000_000;
/** T0 as a date-time. */
const START = "2023-11-14T22:13:20Z";
const DAY = 86_400_000;

/** The composite limit in watts `at` milliseconds after T0, for a session begun at T0; null without one. */
const limit = (page, profiles, at, connector = 1, sharers = 1) =>
  page.value(
    `(() => {
      const all = new Profiles();
      for (const { target, ...profile } of given.profiles) all.install(readProfile(profile, target));
      const underway = { transactionId: 7, startedAt: given.t0 };
      const limit = all.limit(given.connector, given.t0 + given.at, underway, given.supply, given.sharers);
      return Number.isFinite(limit) ? limit : null;
    })()`,
    { profiles, at, connector, sharers, supply: AC, t0: T0 },
  );

function profile(number, purpose, periods, { unit = "W", duration, start, stack = 0, kind = "Relative", target = 0, ...more } = {}) {
  return {
    chargingProfileId: number,
    stackLevel: stack,
    chargingProfilePurpose: purpose,
    chargingProfileKind: kind,
    target,
    chargingSchedule: {
      chargingRateUnit: unit,
      chargingSchedulePeriod: periods.map(([startPeriod, most]) => ({ startPeriod, limit: most })),
      duration,
      startSchedule: start,
    },
    ...more,
  };
}

test("the profile with the higher stack level leads until its schedule ends", (t) => {
  const page = new Page(t);
  const low = profile(1, "TxDefaultProfile", [[0, 5000]]);
  const high = profile(2, "TxDefaultProfile", [[0, 3000], [60, 2000]], { stack: 3, duration: 120 });
  const limits = [0, 59, 60, 119, 120].map((second) => limit(page, [low, high], second * 1000));
  assert.deepEqual(limits, [3000, 3000, 2000, 2000, 5000]);
});

test("a profile of the session replaces the default, and the station's maximum caps both", (t) => {
  const page = new Page(t);
  const usual = profile(1, "TxDefaultProfile", [[0, 3000]]);
  const own = profile(2, "TxProfile", [[0, 6000]], { target: 1, transactionId: 7 });
  const other = profile(3, "TxProfile", [[0, 1000]], { target: 1, transactionId: 8, stack: 5 });
  const cap = profile(4, "ChargePointMaxProfile", [[0, 8000]], { kind: "Absolute", start: START });
  assert.equal(limit(page, [usual, own, other], 0), 6000);
  assert.equal(limit(page, [usual], 0, 2), 3000);
  assert.equal(limit(page, [usual, own, cap], 0, 1, 2), 4000);
  assert.equal(limit(page, [], 0), null);
});

test("recurring profiles begin anew, amperes count by phase, and validity is kept to", (t) => {
  const page = new Page(t);
  const daily = { unit: "A", kind: "Recurring", recurrencyKind: "Daily", start: START };
  const nightly = profile(1, "TxDefaultProfile", [[0, 10], [3600, 6]], daily);
  const moments = [0, 3_600_000, DAY, DAY * 9 + 3_600_000];
  assert.deepEqual(moments.map((at) => limit(page, [nightly], at)), [2300, 1380, 2300, 1380]);
  const validity = { validFrom: "2023-11-14T22:14:20Z", validTo: "2023-11-14T22:15:20Z" };
  const valid = profile(2, "TxDefaultProfile", [[0, 1000]], validity);
  assert.deepEqual([59, 60, 119, 120].map((at) => limit(page, [valid], at * 1000)), [null, 1000, 1000, null]);
});
