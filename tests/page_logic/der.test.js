"use strict";
// DER controls of the page (2.1, R04): which one wins, and when it starts and ends.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { connected, opened } = require("./harness.js");

const DROOP = { overFreq: 51, underFreq: 49, overDroop: 5, underDroop: 5, responseTime: 1 };
const GRADIENT = { priority: 1, gradient: 1, softGradient: 1 };

const control = (controlId, priority, { isDefault = false, ...settings } = {}) => ({
  isDefault, controlId, controlType: "FreqDroop", freqDroop: { ...DROOP, priority, ...settings },
});
const set = async (csms, ...given) => (await csms.ask("SetDERControl", control(...given)))[2];
const later = (page, seconds) => new Date(page.clock.now + seconds * 1000).toISOString();

async function superseded(csms) {
  const before = csms.calls("ReportDERControl").length;
  await csms.ask("GetDERControl", { requestId: before });
  const report = await csms.call("ReportDERControl", ({ requestId }) => requestId === before);
  return Object.fromEntries(report.freqDroop.map(({ id, isSuperseded }) => [id, isSuperseded]));
}

test("2.1: the lower priority value of two default controls wins", async (t) => {
  // R04.FR.02, R04.FR.03, R04.FR.08
  const { csms } = await connected(t, "2.1");
  const isDefault = true;
  assert.deepEqual(await set(csms, "a", 5, { isDefault }), { status: "Accepted" });
  assert.deepEqual(await set(csms, "b", 3, { isDefault }), { status: "Accepted", supersededIds: ["a"] });
  assert.deepEqual(await set(csms, "c", 4, { isDefault }), { status: "Accepted", supersededIds: ["c"] });
  assert.deepEqual(await superseded(csms), { a: true, b: false, c: true });
  assert.deepEqual(csms.calls("NotifyDERStartStop"), []);
});

test("2.1: scheduled controls start, supersede others, and end", async (t) => {
  // R04.FR.06 to R04.FR.08, R04.FR.10, R04.FR.20 to R04.FR.22
  const page = await connected(t, "2.1");
  const { csms } = page;
  await set(csms, "far", 5, { startTime: later(page, 600), duration: 60 });
  assert.deepEqual(await set(csms, "now", 4), { status: "Accepted", supersededIds: ["far"] });
  await csms.call("NotifyDERStartStop");
  assert.deepEqual(await set(csms, "weak", 9), { status: "Accepted", supersededIds: ["weak"] });
  assert.deepEqual(await set(csms, "strong", 1, { startTime: later(page, 5), duration: 10 }), { status: "Accepted" });
  assert.deepEqual(await superseded(csms), { far: true, now: false, weak: true, strong: false });
  await page.until(() => csms.calls("NotifyDERStartStop").length === 3);
  const told = csms.calls("NotifyDERStartStop").map((each) => [each.controlId, each.started, each.supersededIds]);
  assert.deepEqual(told, [["now", true, undefined], ["strong", true, ["now"]], ["strong", false, undefined]]);
  assert.deepEqual(await superseded(csms), { far: true, now: true, weak: true });
});

test("2.1: settings that do not belong to a DER control are refused", async (t) => {
  // R04.FR.13, R04.FR.15 to R04.FR.17, R04.FR.41 to R04.FR.46
  const { csms } = await connected(t, "2.1");
  const ask = async (controlType, isDefault, settings) =>
    (await csms.ask("SetDERControl", { controlId: "x", controlType, isDefault, ...settings }))[2].status;
  const freqDroop = { ...DROOP, priority: 1 };
  assert.equal(await ask("FreqDroop", false, { gradient: GRADIENT }), "Rejected");
  assert.equal(await ask("FreqDroop", false, { freqDroop, gradient: GRADIENT }), "Rejected");
  assert.equal(await ask("FreqDroop", false, {}), "Rejected");
  assert.equal(await ask("FreqDroop", true, { freqDroop: { ...freqDroop, duration: 5 } }), "Rejected");
  assert.equal(await ask("Gradients", false, { gradient: GRADIENT }), "Rejected");
  assert.equal(await ask("Gradients", true, { gradient: GRADIENT }), "Accepted");
  const clear = async (request) => (await csms.ask("ClearDERControl", request))[2].status;
  assert.equal(await clear({ isDefault: false, controlType: "Gradients" }), "NotFound");
  assert.equal(await clear({ isDefault: true, controlId: "y" }), "NotFound");
  assert.equal(await clear({ isDefault: true, controlId: "x" }), "Accepted");
  assert.equal(await clear({ isDefault: true }), "Accepted");
});

test("2.1: DER controls survive a reload of the page", async (t) => {
  // R01.FR.03
  const page = await connected(t, "2.1");
  await set(page.csms, "kept", 5, { isDefault: true });
  page.station.save();
  const after = opened(t, "2.1", "", { before: page });
  assert.deepEqual(after.value("station.der.all.map((each) => each.payload.controlId)"), ["kept"]);
});
