"use strict";
// What the page offers testers: overridden answers, misbehaviours, links, and the log as a trace.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Page, VERSIONS, connected, opened, parsed } = require("./harness.js");

for (const version of VERSIONS) {
  test(`${version}: answers can be rejected, refused, delayed, left out and edited`, async (t) => {
    const page = await connected(t, version, "", { judged: false });
    const { csms, station, clock } = page;
    const override = (kind, more = {}) => {
      station.tester.overrides.ClearCache = { kind, seconds: 0, code: "", ...more };
    };
    const unanswered = (id) => !csms.received.some((frame) => frame[1] === id);
    override("reject");
    assert.deepEqual((await csms.ask("ClearCache", {}))[2], { status: "Rejected" });
    const untouched = version === "1.6" ? { listVersion: 0 } : { versionNumber: 0 };
    assert.deepEqual((await csms.ask("GetLocalListVersion", {}))[2], untouched);
    override("error", { code: "SecurityError" });
    assert.equal((await csms.ask("ClearCache", {}))[2], "SecurityError");
    override("delay", { seconds: 10 });
    csms.send('[2,"late","ClearCache",{}]');
    await clock.pass(9_900);
    assert.ok(unanswered("late"));
    await clock.pass(200);
    assert.ok(!unanswered("late"));
    override("silent");
    csms.send('[2,"never","ClearCache",{}]');
    await clock.pass(100_000);
    assert.ok(unanswered("never"));
    assert.ok(page.notes().some((note) => note.includes("not answered, on purpose")));
    override("edit");
    station.tester.edit = async (action, text) => text.replace("Accepted", `Perhaps ${action}`);
    csms.send('[2,"edited","ClearCache",{}]');
    assert.deepEqual((await csms.wait((frame) => frame[1] === "edited"))[2], { status: "Perhaps ClearCache" });
    delete station.tester.overrides.ClearCache;
    assert.deepEqual((await csms.ask("ClearCache", {}))[2], { status: "Accepted" });
    station.tester.overrides["*"] = { kind: "reject", seconds: 0, code: "" };
    assert.deepEqual((await csms.ask("ClearCache", {}))[2], { status: "Rejected" });
  });

  test(`${version}: misbehaviours break exactly what they promise to break`, async (t) => {
    const page = await connected(t, version, "", { judged: false });
    const { csms, station } = page;
    const misbehave = (...names) => (station.tester.misbehaving = new Set(names));
    const sampled = () =>
      version === "1.6"
        ? csms.calls("MeterValues")
        : csms.calls("TransactionEvent").filter((event) => event.triggerReason === "MeterValuePeriodic");
    const register = ({ meterValue }) => Number(meterValue[0].sampledValue[0].value);
    misbehave("badTimestamp", "fallingMeter", "repeatIds", "beforeBoot");
    await page.charge();
    await page.until(() => sampled().length >= 3);
    const registers = sampled().map(register);
    assert.ok(registers[1] < registers[0], `${registers}`);
    assert.ok(!sampled()[0].meterValue[0].timestamp.endsWith("Z"));
    const ids = csms.received.filter((frame) => frame[0] === 2).map((frame) => frame[1]);
    assert.ok(new Set(ids).size < ids.length);
    const count = csms.received.length;
    station.powerCycle();
    await page.until(() => csms.calls("BootNotification").length === 2);
    const later = csms.received.slice(count).map((frame) => frame[2]);
    assert.ok(later.indexOf("StatusNotification") < later.indexOf("BootNotification"), `${later}`);
    misbehave();
    await page.until(() => station.online());
    page.plug();
    await page.becomes("Available");
    await page.charge();
    await page.quiet();
    const before = sampled().length;
    await page.until(() => sampled().length >= before + 3);
    const [first, second, third] = sampled().slice(before).map(register);
    assert.ok(first <= second && second <= third, `${[first, second, third]}`);
  });

  test(`${version}: a station told to send no heartbeat sends none`, async (t) => {
    const page = await connected(t, version);
    page.station.tester.misbehaving.add("noHeartbeat");
    await page.clock.pass(700_000);
    assert.equal(page.csms.calls("Heartbeat").length, 0);
    page.station.tester.misbehaving.clear();
    await page.clock.pass(1_000);
    assert.equal(page.csms.calls("Heartbeat").length, 1);
  });
}

test("2.1: what is not OCPP is saved as a trace too", async (t) => {
  // Malformed frames, a SEND, a CALLRESULTERROR: `check` reads the file and judges them as the proxy would.
  const page = await connected(t, "2.1", "", { judged: false });
  const odd = ["not json", '[2,"only"]', '[6,"s1","NotifyPeriodicEventStream",{}]', '[5,"e1","InternalError","",{}]'];
  for (const text of odd) assert.ok(page.station.write(text));
  await page.quiet();
  const trace = page.value("log.trace('2.1', 'CP-1')").trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(trace.map(({ raw }) => raw).filter((raw) => odd.includes(raw)), odd);
  for (const line of trace) {
    assert.equal(line.schemaVersion, "1.1");
    assert.ok(!Number.isNaN(Date.parse(line.timestamp)));
  }
  page.keepTrace([
    ["payload.schema", "error"],
    ["rpc.not-json", "error"],
    ["rpc.shape", "error"],
    ["rpc.stray-result-error", "error"],
  ]);
});

test("a log as a trace has both sides' frames in order, and is judged good", async (t) => {
  const page = await connected(t, "1.6");
  await page.csms.ask("ClearCache", {});
  await page.charge();
  await page.clock.pass(5_000);
  page.tap();
  await page.quiet();
  const lines = page.value("log.trace('1.6', 'CP-1')").trim().split("\n").map((line) => JSON.parse(line));
  for (const side of ["cp-to-csms", "csms-to-cp"]) {
    const sent = page.csms.frames.filter(([direction]) => direction === side).map(([, text]) => text);
    assert.deepEqual(lines.filter(({ direction }) => direction === side).map(({ raw }) => raw), sent);
  }
  page.keepTrace([]);
});

test("the log keeps the last 10,000 entries and knows the action of each answer", async (t) => {
  const page = await connected(t, "1.6");
  await page.csms.ask("MakeCoffee", {});
  const [last] = page.value("log.entries.slice(-1)");
  assert.deepEqual([last.type, last.action, last.fault], ["CALLERROR", "MakeCoffee", "NotImplemented"]);
  assert.equal(last.latency, 0);
  const counts = page.value(`(() => {
    for (let n = 0; n < 10_010; n += 1) log.event("note.restart");
    return [log.entries.length, log.entries[0].n, log.count];
  })()`);
  assert.equal(counts[0], 10_000);
  assert.equal(counts[1], counts[2] - 9_999);
});

test("a link with nonsense in it gives a usable station", (t) => {
  // Numbers are brought into the form's ranges, unknown words fall back to the defaults.
  const search = "maxPower=-5&connectors=99&sampleInterval=-1&kind=steam&version=3&theme=pink&phases=2&lang=en";
  const settings = new Page(t, { search }).value("station.settings");
  assert.deepEqual([settings.maxPower, settings.connectors, settings.sampleInterval], [100, 4, 1]);
  assert.deepEqual([settings.kind, settings.version, settings.theme, settings.phases], ["ac", "1.6", "", 1]);
});

test("a link carries the settings but no password, and nothing stores the password", async (t) => {
  const page = await connected(t, "2.0.1", "maxPower=11000&connectors=3&kind=dc&vendor=A%26B");
  assert.equal(page.station.connectors.length, 3);
  assert.equal(page.csms.calls("BootNotification")[0].chargingStation.vendorName, "A&B");
  page.station.password = "a very secret password";
  const link = page.value("settingsLink(station.settings)");
  assert.match(link, /maxPower=11000/);
  assert.match(link, /version=2\.0\.1/);
  assert.doesNotMatch(link, /secret/);
  page.value("[station.save(), keepSettings(station.settings)]");
  const kept = [page.stores.local, page.stores.session].map(({ kept }) => [...kept.values()].join());
  assert.ok(kept.every((text) => text.length > 10 && !text.includes("secret")), `${kept}`);
  const again = new Page(t, { search: new URL(link).search.slice(1), before: page });
  assert.deepEqual(again.value("station.settings"), page.value("station.settings"));
});

test("an address is completed with the id, carries the password, and is refused in words when mistyped", (t) => {
  const page = new Page(t);
  const address = (...given) => page.value("connectAddress(...given)", given);
  assert.deepEqual(address("http://localhost/CP", "CP", ""), { fault: "fault.scheme" });
  assert.deepEqual(address("ws:// /CP", "CP", ""), { fault: "fault.url" });
  assert.deepEqual(address("ws://localhost/CP", "", ""), { fault: "fault.id" });
  assert.deepEqual(address("ws://localhost:9000/", "CP 1", ""), { address: "ws://localhost:9000/CP%201" });
  assert.deepEqual(address("ws://localhost/a/CP", "CP", "p@ss"), { address: "ws://CP:p%40ss@localhost/a/CP" });
  for (const fault of ["fault.scheme", "fault.url", "fault.id"])
    assert.notEqual(page.value("t(given)", fault), fault, "the fault has a sentence");
});

test("a CSMS that is away is tried again, each time later by more, until Disconnect", async (t) => {
  const page = opened(t, "1.6");
  page.csms.reachable = false;
  page.station.connect();
  const attempts = () =>
    page.value("log.entries.filter((entry) => entry.action === 'note.unreachable').map((entry) => entry.at)");
  await page.until(() => page.station.link.state === "waiting");
  await page.until(() => attempts().length === 4);
  const [first, second, third, fourth] = attempts();
  assert.ok(fourth - third > second - first);
  assert.ok(fourth - third >= 4_000 && third - second >= 2_000 && second - first >= 1_000, `${attempts()}`);
  page.station.disconnect();
  assert.equal(page.station.link.state, "closed");
  await page.clock.pass(600_000);
  assert.equal(attempts().length, 4);
});

test("an unanswered transaction message is sent again as it was, then given up", async (t) => {
  const page = await connected(t, "1.6", "sampleInterval=3600");
  page.csms.answers.StopTransaction = null;
  await page.charge();
  page.tap();
  await page.csms.call("StopTransaction");
  await page.clock.pass(300_000);
  const sent = page.csms.texts().filter((text) => parsed(text)[2] === "StopTransaction");
  assert.equal(sent.length, 3);
  assert.equal(new Set(sent).size, 1);
  assert.equal(page.station.outbox.queue.length, 0);
});

test("only one CALL is open at a time, and the queue keeps its order", async (t) => {
  const page = await connected(t, "1.6");
  page.csms.answers.DataTransfer = () => null;
  for (const vendorId of ["a", "b", "c"]) page.station.say("DataTransfer", { vendorId });
  await page.clock.pass(1_000);
  assert.deepEqual(page.csms.calls("DataTransfer").map(({ vendorId }) => vendorId), ["a"]);
  await page.clock.pass(65_000);
  assert.deepEqual(page.csms.calls("DataTransfer").map(({ vendorId }) => vendorId), ["a", "b", "c"]);
});

test("the next sensible act follows the session, and none is offered while out of service", async (t) => {
  const page = await opened(t, "1.6");
  const { station } = page;
  const [connector] = station.connectors;
  const next = () => page.value("nextAct(station, station.connectors[0])");
  assert.equal(next(), "connect");
  station.connect();
  await page.csms.wait((frame) => frame[2] === "BootNotification");
  assert.equal(next(), "plug");
  connector.operative = false;
  assert.equal(next(), "");
  connector.operative = true;
  connector.fault = "GroundFailure";
  assert.equal(next(), "fault");
  station.disconnect();
  assert.equal(next(), "connect");
});

test("active overrides and misbehaviours are counted together", async (t) => {
  const { station } = await opened(t, "2.0.1");
  assert.equal(station.tester.active(), 0);
  station.tester.overrides["*"] = { kind: "reject", seconds: 0, code: "" };
  station.tester.misbehaving.add("noHeartbeat");
  assert.equal(station.tester.active(), 2);
});
