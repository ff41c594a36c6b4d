// Charging over time: one strip for each quantity over a common time axis, with statuses, transactions and findings.
// The plot draws the data that it is given as SVG, and fetches nothing. A drag zooms, a click leads to a frame.
import * as clock from "./shared/clock.js";
import { idOf } from "./occurrences.js";
import { duration, shape as drawnShape } from "./shared/frame_row.js";
import { t } from "./words.js";
import { above, energyUnit, extent, falls, fitting, limitAt, linesOf, marks, reading, sampleAt, timeMarks } from "./plot_data.js";

const GAP = 6;
const LEFT = 62;
const RIGHT = 84;
const RIBBON = 13;
const AXIS = 28;
const REACH = 10; // the cursor shows the value of a sample that is at most this many pixels away
const DRAG = 5; // a movement of at least this many pixels is a drag, a shorter one a click
const SEPARATE = 400; // up to this number of findings, each has its own mark

const QUANTITIES = [
  { kind: "power", name: t("Power"), unit: "W", shown: "kW", scale: 1e-3, limit: "W" },
  { kind: "offered_power", name: t("Offered"), unit: "W", shown: "kW", scale: 1e-3 },
  { kind: "current", name: t("Current"), unit: "A", shown: "A", scale: 1, limit: "A" },
  { kind: "offered_current", name: t("Offered"), unit: "A", shown: "A", scale: 1 },
  { kind: "energy", name: t("Energy"), unit: "Wh" },
  { kind: "soc", name: t("SoC"), unit: "%", shown: "%", scale: 1 },
];
const TONES = {
  available: "--line-strong", preparing: "--info", occupied: "--info", charging: "--ok", suspendedev: "--warning",
  suspendedevse: "--warning", finishing: "--csms", reserved: "--csms", unavailable: "--muted", faulted: "--error",
};

const shape = (name, attributes = {}, text = undefined) => {
  const made = drawnShape(name, attributes);
  if (text !== undefined) made.textContent = text;
  return made;
};
const titled = (made, text) => { made.append(shape("title", {}, text)); return made; };
let plots = 0;

const stripsOf = (data) => {
  const strips = QUANTITIES.map((quantity) => ({
    ...quantity,
    series: data.series.filter((each) => each.kind === quantity.kind && each.points.length).map((each) => ({ ...each, lines: linesOf(each) })),
    limits: data.limits.filter((each) => each.unit === quantity.limit),
  })).filter((strip) => strip.series.length || strip.limits.length);
  // Draw the offered power or current into the strip of the power or current that the vehicle takes.
  for (const offered of strips.filter((strip) => strip.kind.startsWith("offered_"))) {
    const taken = strips.find((strip) => strip.kind === offered.kind.slice(8));
    if (!taken) continue;
    taken.offered = offered.series;
    strips.splice(strips.indexOf(offered), 1);
  }
  for (const strip of strips) {
    if (strip.kind === "energy") Object.assign(strip, energyUnit(strip.series.flatMap((each) => each.points.map((point) => point[1]))));
  }
  return strips;
};

// Callbacks: `goto(id)` after a click on a frame or a missing frame, `at(ms)` after a click at a time without one,
// `zoomed(range or null)` after a change of the shown time. `note` gets what stands out; `tall` is the plot's height.
export const plot = (box, legend, data, { goto, at = () => {}, zoomed = () => {}, note = null, tall = 200 }) => {
  const number = ++plots;
  const strips = stripsOf(data);
  const connectors = Map.groupBy(data.statuses, (status) => status.connector);
  const whole = [...connectors.keys()].find((name) => name === "0" || name === "");
  if (connectors.size > 1 && whole !== undefined) connectors.delete(whole);
  const ribbons = [...connectors].slice(0, 4);

  const single = new Set(data.transactions.map((each) => each.connector)).size <= 1;
  let over = 0; // ms in which something was above its limit
  const bounds = [data.start_ms, data.end_ms];
  for (const each of data.series) {
    for (const [ms] of each.points) {
      if (ms < bounds[0]) bounds[0] = ms;
      if (ms > bounds[1]) bounds[1] = ms;
    }
  }
  if (bounds[1] - bounds[0] < 1000) bounds[1] = bounds[0] + 1000;
  let [start, end] = box.zoom ?? bounds;

  let width = 0;
  let right = 0;
  let x = () => 0;
  let when = () => 0;
  const heads = ribbons.length * (RIBBON + 3);
  const label = data.transactions.length ? 11 : 0;
  const strip = Math.max(20, Math.floor((tall - heads - label - AXIS) / Math.max(1, strips.length)) - GAP);
  const height = strips.length ? heads + label + strips.length * (strip + GAP) + AXIS : heads + label + 12 + AXIS;
  const cursor = shape("line", { class: "p-cursor", y1: 0, y2: height - AXIS + 6, visibility: "hidden" });
  const dots = shape("g");
  const seen = shape("rect", { class: "p-seen", y: height - AXIS + 8, height: 3, visibility: "hidden" });
  const picked = shape("rect", { class: "p-picked", y: 0, height: height - AXIS + 8, visibility: "hidden" });

  const draw = () => {
    width = box.clientWidth;
    if (!width) return;
    right = width - (width < 560 ? 12 : RIGHT);
    x = (ms) => LEFT + ((ms - start) / (end - start)) * (right - LEFT);
    when = (px) => start + ((px - LEFT) / (right - LEFT)) * (end - start);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `Charging over time: ${strips.map((each) => each.name).join(", ") || "statuses"}` });
    const clip = shape("clipPath", { id: `plot-${number}` });
    clip.append(shape("rect", { x: LEFT - 1, y: -4, width: Math.max(0, right - LEFT + 2), height: height + 8 }));
    const inside = shape("g", { "clip-path": `url(#plot-${number})` });
    svg.append(clip);
    let top = 0;
    over = 0;
    for (const [name, statuses] of ribbons) {
      svg.append(shape("text", { class: "p-text", x: 0, y: top + 10 }, name ? `conn. ${name}` : "status"));
      inside.append(...ribbon(statuses, top));
      top += RIBBON + 3;
    }
    const floor = height - AXIS;
    inside.append(...data.transactions.flatMap((each) => transaction(each, top, floor)));
    inside.append(...(data.gaps ?? []).map(([since, until]) => titled(
      shape("rect", { class: "p-gap", x: x(since) - 1, y: top, width: Math.max(2, x(until) - x(since)), height: floor - top }),
      t("frames are missing here"),
    )));
    top += label;
    for (const each of strips) {
      svg.append(...frameOf(each, top + GAP));
      inside.append(...drawn(each));
      top += strip + GAP;
    }
    svg.append(...axis(floor), inside, ...findings(floor));
    if (note) note.textContent = over ? t("above the CSMS’s limit for {long}", { long: duration(over * 1000) }) : "";
    svg.append(seen, picked, cursor, dots);
    listen(svg);
    box.replaceChildren(svg);
  };

  const ribbon = (statuses, top) => statuses.flatMap((status, place) => {
    const from = x(status.ms);
    const to = place + 1 < statuses.length ? x(statuses[place + 1].ms) : right;
    if (to < LEFT || from > right) return [];
    const tone = TONES[status.status.toLowerCase()] ?? "--muted";
    const out = [titled(shape("rect", {
      class: "p-status", x: from, y: top, width: Math.max(1, to - from), height: RIBBON, "data-frame": status.frame_id,
      style: `fill: color-mix(in srgb, var(${tone}) 34%, var(--surface))`,
    }), `${status.status} from ${clock.seconds(status.ms)}`)];
    out.push(shape("rect", { x: from, y: top, width: 2, height: RIBBON, style: `fill: var(${tone})`, "pointer-events": "none" }));
    const left = Math.max(from, LEFT);
    if (fitting([status.status], Math.min(to, right) - left - 8)) out.push(shape("text", { class: "p-status-text", x: left + 5, y: top + 10 }, status.status));
    return out;
  });

  const transaction = (each, top, bottom) => {
    const edge = (ms) => shape("line", { class: "p-edge", x1: x(ms), x2: x(ms), y1: top, y2: bottom });
    // A transaction whose start was not recorded only has an end.
    if (!each.start_ms) return [titled(edge(each.end_ms), t("transaction {id} stops", { id: each.transaction_id }))];
    const [from, to] = [Math.max(x(each.start_ms), LEFT), Math.min(x(each.end_ms), right)];
    if (to < LEFT || from > right) return [];
    const out = [titled(
      shape("rect", { class: "p-transaction", x: from, y: top, width: Math.max(1, to - from), height: bottom - top }),
      t("transaction {id}", { id: each.transaction_id }),
    ), edge(each.start_ms)];
    if (!each.open) out.push(edge(each.end_ms));
    const name = fitting([t("transaction {id}", { id: each.transaction_id }), `tx ${each.transaction_id}`, String(each.transaction_id)], to - from - 6, 6);
    if (name) out.push(shape("text", { class: "p-text p-tx", x: from + 4, y: top + 10 }, name));
    return out;
  };

  // The axis of a strip, its name and the place for its value at the cursor.
  const frameOf = (each, top) => {
    const values = [...each.series, ...(each.offered ?? [])].flatMap((one) => one.points.map((point) => point[1] * each.scale))
      .concat(each.limits.flatMap((one) => one.points.map((point) => point[1] * each.scale)));
    const [low, high] = extent(each.kind, values);
    const y = (value) => top + strip - ((value * each.scale - low) / (high - low)) * (strip - 2);
    Object.assign(each, { y, low: low / each.scale, top });
    const out = [shape("line", { class: "p-base", x1: LEFT, x2: right, y1: top + strip, y2: top + strip })];
    for (const mark of marks(low, high, (12 / (strip - 2)) * (high - low))) {
      const level = y(mark / each.scale);
      out.push(shape("line", { class: "p-axis", x1: LEFT, x2: right, y1: level, y2: level }));
      out.push(shape("text", { class: "p-text p-mark", x: LEFT - 6, y: Math.min(Math.max(level + 3.5, top + 7), top + strip + 3), "text-anchor": "end" }, mark.toLocaleString("en", { maximumFractionDigits: 6 })));
    }
    each.reading = null;
    if (width >= 560) {
      const name = shape("text", { class: "p-name", x: right + 8, y: top + 10 }, `${each.name} `);
      name.append(shape("tspan", { class: "p-text" }, each.shown));
      out.push(name);
      each.reading = shape("text", { class: "p-value", x: right + 8, y: top + 24 });
      out.push(each.reading);
    } else out.push(shape("text", { class: "p-name p-inside", x: LEFT + 4, y: top + 9 }, `${each.name} ${each.shown}`));
    return out;
  };

  const path = (line, y) => line.map(([ms, value], place) => `${place ? "L" : "M"}${x(ms).toFixed(1)} ${y(value).toFixed(1)}`).join("");

  const drawn = (each) => {
    const out = [];
    for (const offered of each.offered ?? []) {
      out.push(titled(shape("path", { class: "p-limit p-offered", d: offered.lines.map((line) => path(line, each.y)).join("") }), t("offered to the vehicle")));
    }
    for (const one of each.series) {
      if (each.kind === "power") {
        const floor = each.y(each.low).toFixed(1);
        const areas = one.lines.filter((line) => line.length > 1)
          .map((line) => `${path(line, each.y)}L${x(line.at(-1)[0]).toFixed(1)} ${floor}L${x(line[0][0]).toFixed(1)} ${floor}z`).join("");
        if (areas) out.push(shape("path", { class: `p-area k-${each.kind}`, d: areas }));
      }
      const lines = one.lines.filter((line) => line.length > 1);
      if (lines.length) out.push(shape("path", { class: `p-line k-${each.kind}`, "data-phase": one.phase ?? "", d: lines.map((line) => path(line, each.y)).join("") }));
      // Which connector was measured is not known here: with several, a limit may be another one's.
      for (const pair of each.limits.length === 1 && single && !one.phase ? above(one.lines, each.limits[0].points, each.kind === "power" ? 100 : 0.5) : []) {
        over += pair[1][0] - pair[0][0];
        out.push(titled(shape("path", { class: "p-over", d: path(pair, each.y) }), t("above the limit set by the CSMS")));
      }
      for (const [before, after] of each.kind === "energy" ? falls(one.lines) : []) {
        out.push(titled(shape("path", { class: "p-fall", d: path([before, after], each.y) }), t("the register falls")));
      }
      out.push(...samples(each, one));
    }
    for (const one of each.limits) {
      const steps = [];
      for (let place = 0; place + 1 < one.points.length; place += 2) {
        const joined = place && one.points[place - 1][0] === one.points[place][0];
        steps.push(`${joined ? "L" : "M"}${x(one.points[place][0]).toFixed(1)} ${each.y(one.points[place][1]).toFixed(1)}L${x(one.points[place + 1][0]).toFixed(1)} ${each.y(one.points[place + 1][1]).toFixed(1)}`);
      }
      const where = one.connector && one.connector !== "0" ? ` for connector ${one.connector}` : "";
      out.push(titled(shape("path", { class: "p-limit", d: steps.join("") }), `limit set by the CSMS${where}${one.purpose ? `: ${one.purpose}` : ""}`));
    }
    return out;
  };

  // Draw dots for samples without neighbours, and for all samples if there is enough room.
  const samples = (each, one) => one.lines.flatMap((line) => {
    const inSight = line.filter(([ms]) => ms >= start && ms <= end);
    const roomy = inSight.length < 2 || (x(inSight.at(-1)[0]) - x(inSight[0][0])) / (inSight.length - 1) > 9;
    return line.length === 1 || roomy
      ? inSight.map(([ms, value]) => shape("circle", { class: `p-sample${line.length === 1 ? " p-single" : ""} k-${each.kind}`, cx: x(ms).toFixed(1), cy: each.y(value).toFixed(1), r: line.length === 1 ? 2.8 : 1.9 }))
      : [];
  });

  const findings = (top) => {
    const inSight = data.findings.filter((each) => each.ms >= start && each.ms <= end);
    // Findings that would cover each other share a mark, which shows the worst severity.
    const rank = { error: 2, warning: 1, info: 0 };
    const shown = new Map();
    for (const each of inSight) {
      const key = inSight.length > SEPARATE ? Math.round(x(each.ms) / 5) : each;
      shown.set(key, [...(shown.get(key) ?? []), each]);
    }
    return [...shown.values()]
      .map((group) => group.sort((a, b) => rank[b.severity] - rank[a.severity]))
      .sort((a, b) => (rank[a[0].severity] ?? 0) - (rank[b[0].severity] ?? 0))
      .map((group) => {
        const [worst] = group;
        const mark = shape("path", { class: `p-finding l-${worst.severity}${worst.frame_id ? "" : " p-silent"}`, d: `M${x(worst.ms).toFixed(1)} ${top - 1}l-4.5 9h9z` });
        mark.dataset[worst.frame_id ? "frame" : "missing"] = idOf(worst);
        mark.dataset.rule = worst.rule_id;
        const more = group.length > 1 ? ` and ${group.length - 1} more` : "";
        return titled(mark, `${worst.severity}: ${worst.rule_id} at ${clock.seconds(worst.ms)}${worst.frame_id ? "" : `, ${t("a frame is missing")}`}${more}`);
      });
  };

  const axis = (top) => {
    const out = [shape("line", { class: "p-base", x1: LEFT, x2: right, y1: top, y2: top })];
    const offset = clock.isLocal() ? -new Date(start).getTimezoneOffset() * 60_000 : 0;
    for (const { ms, text } of timeMarks(start, end, right - LEFT, clock, offset)) {
      out.push(shape("line", { class: "p-base", x1: x(ms), x2: x(ms), y1: top, y2: top + 4 }));
      const half = text.length * 3.1;
      const anchor = x(ms) + half > width ? "end" : x(ms) - half < 0 ? "start" : "middle";
      out.push(shape("text", { class: "p-text p-time", x: x(ms), y: top + 24, "text-anchor": anchor }, text));
    }
    return out;
  };

  const read = (ms) => {
    dots.replaceChildren();
    if (ms === null || ms < start || ms > end) {
      cursor.setAttribute("visibility", "hidden");
      legend.textContent = "";
      for (const each of strips) each.reading?.replaceChildren();
      return;
    }
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", x(ms));
    cursor.setAttribute("x2", x(ms));
    const reach = (REACH / (right - LEFT)) * (end - start);
    const said = [clock.seconds(ms)];
    let own = null;
    for (const each of strips) {
      const readings = [];
      for (const one of each.series) {
        const point = sampleAt(one.lines, ms, reach);
        if (!point) continue;
        own = point;
        readings.push(`${one.phase ? `${one.phase} ` : ""}${reading(each.kind, point[1], each)}`);
        dots.append(shape("circle", { class: `p-dot k-${each.kind}`, cx: x(point[0]), cy: each.y(point[1]), r: 3.5 }));
      }
      if (each.reading) each.reading.textContent = readings[0] ?? "";
      if (readings.length) said.push(`${each.name} ${readings.join(", ")} ${each.shown}`);
      for (const one of each.limits) {
        const limit = limitAt(one.points, ms);
        if (limit !== null) said.push(`${t("limit")} ${reading(each.kind, limit, each)} ${each.shown}`);
      }
      for (const one of each.offered ?? []) {
        const point = sampleAt(one.lines, ms, reach);
        if (point) said.push(`${t("offered")} ${reading(each.kind, point[1], each)} ${each.shown}`);
      }
    }
    if (own && Math.abs(own[3] - own[0]) >= 1000) said.push(t("charge point’s clock {time}", { time: clock.seconds(own[3]) }));
    legend.textContent = said.join("  ·  ");
  };

  const zoom = (range) => {
    box.zoom = range;
    [start, end] = range ?? bounds;
    draw();
    read(box.pointed ?? null);
    zoomed(range);
  };

  const nearest = (ms) => {
    const reach = (REACH / (right - LEFT)) * (end - start);
    let best = null;
    for (const each of strips) {
      for (const one of each.series) {
        const point = sampleAt(one.lines, ms, reach);
        if (point && Math.abs(point[0] - ms) <= reach && (!best || Math.abs(point[0] - ms) < Math.abs(best[0] - ms))) best = point;
      }
    }
    return best?.[2] ?? null;
  };

  const listen = (svg) => {
    let from = null;
    const place = (event) => Math.min(Math.max(event.clientX - svg.getBoundingClientRect().left, LEFT), right);
    svg.addEventListener("pointerdown", (event) => { if (event.button === 0) from = place(event); });
    svg.addEventListener("pointermove", (event) => {
      read(when(place(event)));
      const dragged = from !== null && event.buttons === 1 && Math.abs(place(event) - from) > DRAG;
      picked.setAttribute("visibility", dragged ? "visible" : "hidden");
      if (!dragged) return;
      if (!svg.hasPointerCapture(event.pointerId)) svg.setPointerCapture(event.pointerId);
      picked.setAttribute("x", Math.min(from, place(event)));
      picked.setAttribute("width", Math.abs(place(event) - from));
    });
    svg.addEventListener("pointerleave", () => { if (picked.getAttribute("visibility") === "hidden") read(box.pointed ?? null); });
    svg.addEventListener("pointercancel", () => { from = null; picked.setAttribute("visibility", "hidden"); });
    svg.addEventListener("pointerup", (event) => {
      const to = place(event);
      const [begun, target] = [from, event.target];
      from = null;
      picked.setAttribute("visibility", "hidden");
      if (begun === null) return;
      if (Math.abs(to - begun) > DRAG) {
        const range = [when(Math.min(begun, to)), when(Math.max(begun, to))];
        if (range[1] - range[0] >= 50) zoom(range);
        return;
      }
      if (target.dataset?.frame) goto(Number(target.dataset.frame));
      else if (target.dataset?.missing) goto(target.dataset.missing);
      else {
        const near = nearest(when(to));
        if (near) goto(near); else at(when(to));
      }
    });
    svg.addEventListener("dblclick", () => { if (box.zoom) zoom(null); });
  };

  // The page reserves room for strips; without strips, the ladder gets it.
  box.classList.toggle("low", !strips.length);
  if (!box.watched) {
    box.watched = new ResizeObserver(() => { if (box.clientWidth !== box.drawnWidth) box.redraw(); });
    box.watched.observe(box);
    document.addEventListener("zone", () => box.redraw());
  }
  // After drawing the plot again, show the chosen frame again.
  box.redraw = () => { box.drawnWidth = box.clientWidth; draw(); read(box.pointed ?? null); };
  box.redraw();
  return {
    reset: () => zoom(null),
    // Mark the time of a chosen frame, and move the plot there if that time is not visible.
    point: (frame) => {
      box.pointed = new Date(frame.ts).getTime();
      if (box.zoom && (box.pointed < start || box.pointed > end)) {
        const half = (end - start) / 2;
        zoom([box.pointed - half, box.pointed + half]);
      } else read(box.pointed);
    },
    // Mark the time of the rows that are visible in the ladder.
    seen: (from, to) => {
      if (!width) return;
      const [left, until] = [Math.max(LEFT, x(from)), Math.min(right, x(to))];
      seen.setAttribute("visibility", until >= left ? "visible" : "hidden");
      seen.setAttribute("x", left);
      seen.setAttribute("width", Math.max(2, until - left));
    },
  };
};
