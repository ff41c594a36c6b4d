// What the plot of a session computes from its data, without drawing it.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const test = require("node:test");

const load = (name) => import(`data:text/javascript,${encodeURIComponent(fs.readFileSync(path.join(__dirname, "../../inspector/browse/static", name), "utf-8"))}`);
const UTC = {
  date: (ms) => new Date(ms).toISOString().slice(0, 10),
  minutes: (ms) => new Date(ms).toISOString().slice(11, 16),
  seconds: (ms) => new Date(ms).toISOString().slice(11, 19),
  millis: (ms) => new Date(ms).toISOString().slice(11, 23),
};

test("a line ends where a break begins another", async () => {
  const { linesOf } = await load("plot_data.js");
  const points = [[0, 1], [1, 2], [5, 3], [9, 4]];
  assert.deepEqual(linesOf({ points, breaks: [2, 3] }), [[[0, 1], [1, 2]], [[5, 3]], [[9, 4]]]);
  assert.deepEqual(linesOf({ points: [] }), []);
});

test("energy is shown in Wh where kWh would hide what happened", async () => {
  const { energyUnit, reading } = await load("plot_data.js");
  const narrow = energyUnit([351_794, 350_984]);
  assert.equal(narrow.shown, "Wh");
  assert.equal(reading("energy", 350_984, narrow), "350,984");
  const wide = energyUnit([100_000, 600_000]);
  assert.equal(wide.shown, "kWh");
  assert.notEqual(reading("energy", 172_227, wide), reading("energy", 172_143, wide), "84 Wh less must show");
});

test("a state of charge has an axis from 0 to 100, power one from 0", async () => {
  const { extent } = await load("plot_data.js");
  assert.deepEqual(extent("soc", [40, 42]), [0, 100]);
  const [low, high] = extent("power", [3, 11]);
  assert.ok(low === 0 && high > 11);
  const [from, to] = extent("energy", [351_000, 352_000]);
  assert.ok(from > 350_000 && from < 351_000 && to > 352_000);
});

test("marks of an axis are round, inside it, and never closer than asked for", async () => {
  const { marks } = await load("plot_data.js");
  for (let turn = 0; turn < 500; turn++) {
    const low = (turn % 7) * 17.3 - 40;
    const high = low + 10 ** ((turn % 90) / 10 - 3) * (1 + (turn % 13) / 5);
    const apart = (high - low) * (0.1 + (turn % 9) / 10);
    const found = marks(low, high, apart);
    assert.ok(found.length >= 1 || high - low < apart, `${low} ${high}`);
    for (const [place, mark] of found.entries()) {
      assert.ok(mark >= low - 1e-6 * Math.abs(low) - 1e-9 && mark <= high + 1e-6 * Math.abs(high) + 1e-9, `${mark} in ${low}..${high}`);
      if (place) assert.ok(mark - found[place - 1] >= apart * 0.999, `${found} apart ${apart}`);
    }
  }
  assert.deepEqual(marks(0, 11.9, 5), [0, 5, 10]);
});

test("labels of the time axis do not touch, and name the date where days change", async () => {
  const { timeMarks } = await load("plot_data.js");
  for (const span of [50, 900, 7_000, 61_000, 3_600_000, 40_000_000, 300_000_000, 9e9]) {
    for (const width of [280, 900, 1200, 1500]) {
      const start = Date.UTC(2026, 6, 2, 10, 3, 4, 5);
      const found = timeMarks(start, start + span, width, UTC);
      const at = (ms) => ((ms - start) / span) * width;
      for (let place = 1; place < found.length; place++) {
        const room = at(found[place].ms) - at(found[place - 1].ms);
        assert.ok(room >= (found[place].text.length + found[place - 1].text.length) * 3.1, `${span} ${width}: ${found.map((each) => each.text)}`);
      }
    }
  }
  const days = timeMarks(Date.UTC(2026, 6, 2, 20), Date.UTC(2026, 6, 3, 4), 1200, UTC).map((each) => each.text);
  assert.ok(days.includes("2026-07-03"), `${days}`);
  assert.ok(!timeMarks(Date.UTC(2026, 6, 2, 10), Date.UTC(2026, 6, 2, 14), 1200, UTC).some((each) => each.text.includes("-")));
});

test("the cursor reads the sample under it, and nothing between lines", async () => {
  const { sampleAt } = await load("plot_data.js");
  const lines = [[[0, 10], [10, 20], [20, 30]], [[100, 5]]];
  assert.deepEqual(sampleAt(lines, 13, 2), [10, 20]);
  assert.deepEqual(sampleAt(lines, 16, 2), [20, 30]);
  assert.equal(sampleAt(lines, 60, 2), null);
  assert.deepEqual(sampleAt(lines, 99, 2), [100, 5]);
  assert.equal(sampleAt([], 1, 2), null);
});

test("a limit is read where it holds only", async () => {
  const { limitAt } = await load("plot_data.js");
  const points = [[0, 6], [10, 6], [10, 8], [30, 8], [50, 5], [60, 5]];
  assert.equal(limitAt(points, 5), 6);
  assert.equal(limitAt(points, 20), 8);
  assert.equal(limitAt(points, 40), null);
});

test("a register that falls is found, but not from one line to the next", async () => {
  const { falls } = await load("plot_data.js");
  assert.deepEqual(falls([[[0, 5], [1, 4], [2, 6]], [[3, 1], [4, 2]]]), [[[0, 5], [1, 4]]]);
});

test("a name is shown whole or not at all", async () => {
  const { fitting } = await load("plot_data.js");
  const names = ["transaction 39261", "tx 39261", "39261"];
  const shown = new Set(Array.from({ length: 200 }, (_, room) => fitting(names, room)));
  assert.deepEqual(shown, new Set(["", ...names]));
});

test("occurrences are stepped through in the order of time, missing frames too", async () => {
  const { placesOf, placeIn } = await load("occurrences.js");
  const findings = [
    { frame_id: 30, ms: 3, rule_id: "a", severity: "error" }, { frame_id: 10, ms: 1, rule_id: "a", severity: "error" },
    { frame_id: 10, ms: 1, rule_id: "b", severity: "warning" }, { frame_id: 20, ms: 2, rule_id: "b", severity: "warning" },
    { frame_id: null, finding_id: 7, number: 2, ms: 2.5, rule_id: "a", severity: "error" },
  ];
  const ids = (wanted) => placesOf(findings, wanted).map((each) => each.id);
  assert.deepEqual(ids({ rule: "a" }), [10, "m7.2", 30]);
  assert.deepEqual(ids({ severity: "any" }), [10, 20, "m7.2", 30]);
  assert.deepEqual(ids({ severity: "warning" }), [10, 20]);
  const places = placesOf(findings, { rule: "a" });
  assert.deepEqual(placeIn(places, { id: "m7.2", ms: 2.5 }), { number: 2, previous: 10, next: 30 });
  assert.deepEqual(placeIn(places, { id: 20, ms: 2 }), { number: null, previous: 10, next: "m7.2" });
  assert.deepEqual(placeIn(places, null), { number: null, previous: null, next: 10 });
});

test("what is above a limit is found once the charge point had time to follow it", async () => {
  const { above } = await load("plot_data.js");
  const line = [[0, 11], [30_000, 11], [60_000, 11], [90_000, 11], [120_000, 6], [150_000, 11], [180_000, 11]];
  const steps = [[30_000, 6], [150_000, 6]];
  assert.deepEqual(above([line], steps), [[[60_000, 11], [90_000, 11]]]);
  assert.deepEqual(above([line.map(([ms]) => [ms, 6.2])], steps), []);
  assert.deepEqual(above([[]], steps), []);
  assert.deepEqual(above([line], []), []);
});
