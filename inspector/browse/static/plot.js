// Charging over time: one strip for each quantity over a common time axis, with statuses, transactions and findings.
// It is given data and draws it as SVG; it fetches nothing.

const SVG = "http://www.w3.org/2000/svg";
const STRIP = 64;
const GAP = 14;
const LEFT = 56;
const RIGHT = 78;
const RIBBON = 16;

const QUANTITIES = [
  { kind: "power", name: "Power", unit: "W", shown: "kW", scale: 1e-3, limit: "W" },
  { kind: "offered_power", name: "Offered", unit: "W", shown: "kW", scale: 1e-3 },
  { kind: "current", name: "Current", unit: "A", shown: "A", scale: 1, limit: "A" },
  { kind: "offered_current", name: "Offered", unit: "A", shown: "A", scale: 1 },
  { kind: "energy", name: "Energy", unit: "Wh", shown: "kWh", scale: 1e-3 },
  { kind: "soc", name: "SoC", unit: "%", shown: "%", scale: 1 },
];
const TONES = {
  available: "--line-strong", preparing: "--info", occupied: "--info", charging: "--ok", suspendedev: "--warning",
  suspendedevse: "--warning", finishing: "--csms", reserved: "--csms", unavailable: "--muted", faulted: "--error",
};

const shape = (name, attributes = {}, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
const titled = (made, text) => { made.append(shape("title", {}, text)); return made; };
const tidy = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2));
const clock = (ms, seconds = true) => new Date(ms).toISOString().slice(11, seconds ? 19 : 16);

const step = (span, most) => {
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
};
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].map((s) => s * 1000);

// The index of the last point at or before a moment.
const before = (points, ms) => {
  let [low, high] = [0, points.length - 1];
  if (high < 0 || points[0][0] > ms) return -1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (points[middle][0] <= ms) low = middle; else high = middle - 1;
  }
  return low;
};

export const plot = (box, legend, data, { goto }) => {
  const strips = QUANTITIES.map((quantity) => ({
    ...quantity,
    series: data.series.filter((each) => each.kind === quantity.kind && each.points.length),
    limits: data.limits.filter((each) => each.unit === quantity.limit),
  })).filter((strip) => strip.series.length || strip.limits.length);
  // What was offered belongs into the strip of what was taken.
  for (const offered of strips.filter((strip) => strip.kind.startsWith("offered_"))) {
    const taken = strips.find((strip) => strip.kind === offered.kind.slice(8));
    if (!taken) continue;
    taken.limits.push(...offered.series.map((each) => ({ points: each.points, offered: true })));
    strips.splice(strips.indexOf(offered), 1);
  }
  const connectors = Map.groupBy(data.statuses, (status) => status.connector);
  const whole = [...connectors.keys()].find((name) => name === "0" || name === "");
  if (connectors.size > 1 && whole !== undefined) connectors.delete(whole);
  const ribbons = [...connectors].slice(0, 4);

  let [start, end] = [data.start_ms, data.end_ms];
  for (const each of data.series) {
    start = Math.min(start, each.points[0]?.[0] ?? start);
    end = Math.max(end, each.points.at(-1)?.[0] ?? end);
  }
  if (end - start < 1000) end = start + 1000;

  let width = 0;
  let x = () => 0;
  const height = ribbons.length * (RIBBON + 4) + strips.length * (STRIP + GAP) + 24;
  const cursor = shape("line", { class: "p-cursor", y1: 0, y2: height - 20, visibility: "hidden" });
  const dots = shape("g");

  const draw = () => {
    width = box.clientWidth;
    if (!width) return;
    const right = width - (width < 560 ? 12 : RIGHT);
    x = (ms) => LEFT + ((ms - start) / (end - start)) * (right - LEFT);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": describe(strips) });
    let top = 0;
    for (const [name, statuses] of ribbons) {
      svg.append(...ribbon(name, statuses, top, right));
      top += RIBBON + 4;
    }
    const body = top;
    for (const each of data.transactions) svg.append(...transaction(each, body, height - 24));
    for (const strip of strips) {
      svg.append(...drawStrip(strip, top + GAP, right));
      top += STRIP + GAP;
    }
    svg.append(...axis(height - 22, right), ...data.findings.map((each) => finding(each, height - 22)), cursor, dots);
    svg.addEventListener("pointermove", (event) => hover(start + ((event.offsetX - LEFT) / (right - LEFT)) * (end - start)));
    svg.addEventListener("pointerleave", () => hover(null));
    svg.addEventListener("click", (event) => {
      if (event.target.dataset?.frame) { goto(Number(event.target.dataset.frame)); return; }
      const near = nearest(start + ((event.offsetX - LEFT) / (right - LEFT)) * (end - start));
      if (near) goto(near);
    });
    box.replaceChildren(svg);
  };

  const describe = (shown) => `Charging over time: ${shown.map((strip) => strip.name).join(", ") || "statuses"}`;

  const ribbon = (name, statuses, top, right) => {
    const out = [shape("text", { class: "p-text", x: 0, y: top + 12 }, name ? `conn. ${name}` : "status")];
    statuses.forEach((status, place) => {
      const from = x(status.ms);
      const to = place + 1 < statuses.length ? x(statuses[place + 1].ms) : right;
      const tone = TONES[status.status.toLowerCase()] ?? "--muted";
      const piece = shape("rect", {
        class: "p-status", x: from, y: top, width: Math.max(1, to - from), height: RIBBON, "data-frame": status.frame_id,
        style: `fill: color-mix(in srgb, var(${tone}) 34%, var(--surface))`,
      });
      out.push(titled(piece, `${status.status} from ${clock(status.ms)}`));
      out.push(shape("rect", { x: from, y: top, width: 2, height: RIBBON, style: `fill: var(${tone})`, "pointer-events": "none" }));
      if (to - from > status.status.length * 6.2 + 10) out.push(shape("text", { class: "p-status-text", x: from + 6, y: top + 11.5 }, status.status));
    });
    return out;
  };

  const transaction = (each, top, bottom) => {
    // One whose start nobody saw has only an end.
    if (!each.start_ms) return [titled(shape("line", { class: "p-edge", x1: x(each.end_ms), x2: x(each.end_ms), y1: top, y2: bottom }), `transaction ${each.transaction_id} stops`)];
    const from = x(Math.max(each.start_ms ?? start, start));
    const to = x(Math.min(each.end_ms, end));
    const out = [titled(
      shape("rect", { class: "p-transaction", x: from, y: top, width: Math.max(1, to - from), height: bottom - top }),
      `transaction ${each.transaction_id}`,
    )];
    out.push(shape("line", { class: "p-edge", x1: from, x2: from, y1: top, y2: bottom }));
    if (!each.open) out.push(shape("line", { class: "p-edge", x1: to, x2: to, y1: top, y2: bottom }));
    if (to - from > 90 && width >= 560) out.push(shape("text", { class: "p-text", x: from + 4, y: top + 10 }, `transaction ${each.transaction_id}`.slice(0, Math.floor((to - from) / 6.5))));
    return out;
  };

  const drawStrip = (strip, top, right) => {
    const values = [...strip.series, ...strip.limits].flatMap((each) => each.points.map((point) => point[1] * strip.scale));
    let [low, high] = [Math.min(...values), Math.max(...values)];
    // Power and current are read from zero; a register or a battery from where it was.
    if (strip.kind !== "energy" && strip.kind !== "soc") low = Math.min(0, low);
    if (high - low < 1e-9) high += 1;
    const room = (high - low) * 0.08;
    high += room;
    if (low !== 0) low -= room;
    const size = step(high - low, 3);
    const y = (value) => top + STRIP - ((value * strip.scale - low) / (high - low)) * (STRIP - 4);
    strip.y = y;
    const out = [shape("line", { class: "p-base", x1: LEFT, x2: right, y1: top + STRIP, y2: top + STRIP })];
    for (let tick = Math.ceil(low / size - 1e-9) * size; tick <= high; tick += size) {
      const level = y(tick / strip.scale);
      out.push(shape("line", { class: "p-axis", x1: LEFT, x2: right, y1: level, y2: level }));
      out.push(shape("text", { class: "p-text", x: LEFT - 6, y: Math.max(level + 4, top + 8), "text-anchor": "end" }, +tick.toFixed(3)));
    }
    for (const each of strip.series) {
      const line = each.points.map(([ms, value], place) => `${place ? "L" : "M"}${x(ms).toFixed(1)} ${y(value).toFixed(1)}`).join("");
      if (strip.kind === "power") out.push(shape("path", { class: `p-area k-${strip.kind}`, d: `${line}L${x(each.points.at(-1)[0]).toFixed(1)} ${y(low / strip.scale)}L${x(each.points[0][0]).toFixed(1)} ${y(low / strip.scale)}z` }));
      out.push(shape("path", { class: `p-line k-${strip.kind}`, d: line }));
    }
    for (const each of strip.limits) {
      out.push(titled(
        shape("path", { class: "p-limit", d: each.points.map(([ms, value], place) => `${place ? "L" : "M"}${x(ms).toFixed(1)} ${y(value).toFixed(1)}`).join("") }),
        each.offered ? "offered to the vehicle" : "limit set by the CSMS",
      ));
    }
    if (width >= 560) {
      out.push(shape("text", { class: "p-name", x: right + 8, y: top + 12 }, strip.name));
      out.push(shape("text", { class: "p-text", x: right + 8, y: top + 26 }, strip.shown));
      strip.reading = shape("text", { class: "p-value", x: right + 8, y: top + 44 });
      out.push(strip.reading);
    } else out.push(shape("text", { class: "p-name", x: LEFT + 4, y: top + 8 }, `${strip.name} ${strip.shown}`));
    return out;
  };

  const finding = (each, top) => {
    const at = x(Math.min(Math.max(each.ms, start), end));
    return titled(
      shape("path", { class: `p-finding l-${each.severity}`, d: `M${at} ${top}l-4.5 -8h9z`, "data-frame": each.frame_id }),
      `${each.severity}: ${each.rule_id}`,
    );
  };

  const axis = (top, right) => {
    const size = TIME_STEPS.find((each) => each >= (end - start) / Math.max(2, width / 110)) ?? 86_400_000;
    const out = [shape("line", { class: "p-base", x1: LEFT, x2: right, y1: top, y2: top })];
    for (let tick = Math.ceil(start / size) * size; tick <= end; tick += size) {
      out.push(shape("line", { class: "p-base", x1: x(tick), x2: x(tick), y1: top, y2: top + 4 }));
      out.push(shape("text", { class: "p-text", x: x(tick), y: top + 16, "text-anchor": "middle" }, clock(tick, size < 60_000)));
    }
    return out;
  };

  const hover = (ms) => {
    dots.replaceChildren();
    if (ms === null || ms < start || ms > end) {
      cursor.setAttribute("visibility", "hidden");
      legend.textContent = "";
      for (const strip of strips) strip.reading?.replaceChildren();
      return;
    }
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", x(ms));
    cursor.setAttribute("x2", x(ms));
    const said = [clock(ms)];
    for (const strip of strips) {
      const readings = [];
      for (const each of strip.series) {
        const place = before(each.points, ms);
        if (place < 0) continue;
        const [at, value] = each.points[place];
        readings.push(`${each.phase ? `${each.phase} ` : ""}${tidy(value * strip.scale)}`);
        dots.append(shape("circle", { class: `p-dot k-${strip.kind}`, cx: x(at), cy: strip.y(value), r: 3.5 }));
      }
      if (strip.reading) strip.reading.textContent = readings[0] ?? "";
      if (readings.length) said.push(`${strip.name} ${readings.join(", ")} ${strip.shown}`);
      for (const each of strip.limits) {
        const place = before(each.points, ms);
        if (place >= 0 && ms <= each.points.at(-1)[0]) said.push(`${each.offered ? "offered" : "limit"} ${tidy(each.points[place][1] * strip.scale)} ${strip.shown}`);
      }
    }
    legend.textContent = said.join("  ·  ");
  };

  const nearest = (ms) => {
    let best = null;
    for (const each of data.series) {
      for (const point of each.points) {
        if (point[2] && (!best || Math.abs(point[0] - ms) < Math.abs(best[0] - ms))) best = point;
      }
    }
    return best?.[2] ?? null;
  };

  if (!box.watched) {
    box.watched = new ResizeObserver(() => { if (box.clientWidth !== box.drawnWidth) box.redraw(); });
    box.watched.observe(box);
  }
  // A chosen frame stays shown when the plot is drawn again.
  box.redraw = () => { box.drawnWidth = box.clientWidth; draw(); if (box.pointed) hover(box.pointed); };
  box.redraw();
  return {
    // Show where a chosen frame is in time.
    point: (frame) => { box.pointed = new Date(frame.ts).getTime(); hover(box.pointed); },
  };
};
