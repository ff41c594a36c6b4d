// How the CSMS page reads the messages of its log.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const test = require("node:test");

const PAGE = path.join(__dirname, "../../csms/page");
const plain = (name) => fs.readFileSync(path.join(PAGE, name), "utf-8").replace(/^import .*$/gm, "").replace(/^export /gm, "");
const framesOf = new Function(`${plain("shared/frame_summary.js")}\n${plain("frame.js")}\nreturn framesOf;`)();

let number = 0;
const entry = (source, text, ts = "2026-01-01T12:00:00.000Z") => ({ number: (number += 1), ts, source, text });

test("an answer has the action of its CALL, and how long it took", () => {
  const [call, answer] = framesOf([
    entry("charge_point", '[2,"1","Heartbeat",{}]', "2026-01-01T12:00:00.000Z"),
    entry("csms", '[3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]', "2026-01-01T12:00:00.250Z"),
  ]);
  assert.deepEqual([call.action, call.direction, call.latency_us], ["Heartbeat", "cp-to-csms", null]);
  assert.deepEqual([answer.action, answer.direction, answer.latency_us], ["Heartbeat", "csms-to-cp", 250_000]);
});

test("an id that both sides use does not mix up their exchanges", () => {
  const frames = framesOf([
    entry("charge_point", '[2,"1","Heartbeat",{}]'),
    entry("csms", '[2,"1","Reset",{"type":"Soft"}]'),
    entry("charge_point", '[3,"1",{"status":"Accepted"}]'),
    entry("csms", '[3,"1",{}]'),
  ]);
  assert.deepEqual(frames.map((frame) => frame.action), ["Heartbeat", "Reset", "Reset", "Heartbeat"]);
});

test("a message that the log has cut still says what it is", () => {
  const [frame] = framesOf([entry("charge_point", '[2,"1","NotifyReport",{"reportData":[{"component"…')]);
  assert.deepEqual([frame.msg_type, frame.action, frame.severity], [2, "NotifyReport", null]);
});

test("what is no message is an error, and so is a CALLERROR", () => {
  for (const text of ["", "nonsense", "{}", "[9]", "[2,7]", '[4,"1","GenericError","why",{}]']) {
    const [frame] = framesOf([entry("charge_point", text)]);
    assert.equal(frame.severity, "error", text);
    assert.equal(typeof frame.summary, "string");
  }
});

test("a note about the connection is no frame", () => {
  const [note] = framesOf([entry("connection", "connected from 127.0.0.1")]);
  assert.equal(note.note, "connected from 127.0.0.1");
  assert.equal(note.direction, undefined);
});
