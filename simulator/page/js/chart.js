// Draw power, limit and energy over time as SVG.

/** @typedef {{at: number, power: number, limit: number, energy: number}} Point */

/** The smallest round number that is at least a value, and whose quarters are round too. @param {number} value */
function roundUp(value) {
  const tens = 10 ** Math.floor(Math.log10(Math.max(value, 1e-6)));
  return ([1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8].find((step) => step * tens >= value * 0.9999) ?? 10) * tens;
}

/** Seconds between the marks of a time axis. @param {number} span seconds @param {number} room the most marks that fit */
function timeStep(span, room) {
  const steps = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400];
  return steps.find((step) => span / step <= room) ?? 28_800;
}

/** @param {number} seconds */
function clockText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/**
 * The frame of a chart: its size in pixels, and the grid with an axis in kW on the left and times below.
 * @param {any} element the svg @param {number} top_kW @param {number} span seconds @param {boolean} second whether there is a right axis
 */
function frameOf(element, top_kW, span, second) {
  const width = element.clientWidth || 600;
  const height = element.clientHeight || 190;
  element.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const [left, right, top, bottom] = [2.4 * rem, (second ? 3 : 1.2) * rem, 1.5 * rem, 1.5 * rem];
  const x = (/** @type {number} */ seconds) => left + ((width - left - right) * seconds) / span;
  const y = (/** @type {number} */ share) => top + (height - top - bottom) * (1 - Math.min(1, Math.max(0, share)));
  const parts = [0, 1, 2, 3, 4].flatMap((step) => {
    const at = y(step / 4);
    const line = svg("line", { class: step ? "grid" : "axis", x1: left, x2: width - right, y1: at, y2: at });
    return [line, label(left - 0.4 * rem, at + 0.27 * rem, "end", trim((top_kW * step) / 4))];
  });
  const step = timeStep(span, Math.min(8, (width - left - right) / (4.2 * rem)));
  for (let at = 0; at <= span; at += step) {
    const anchor = at === 0 ? "start" : at > span * 0.95 ? "end" : "middle";
    parts.push(label(x(at), height - 0.25 * rem, anchor, span < 3600 ? shortTime(at) : clockText(at)));
  }
  parts.push(label(left - 0.4 * rem, 0.75 * rem, "end", "kW"));
  return { width, height, left, right, rem, x, y, parts };
}

/** @param {number} seconds */
const shortTime = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** The path of a step line. @param {[number, number][]} places */
const stairs = (places) =>
  places.map(([x, y], index) => `${index ? `H${x.toFixed(1)}V` : `M${x.toFixed(1)} `}${y.toFixed(1)}`).join("");

/**
 * Draw one session: power and limit by the left axis in kW, energy by the right one in kWh.
 * @param {any} element the svg @param {Point[]} points @param {number} maxPower watts @param {string} empty the text to show without points
 */
function drawSession(element, points, maxPower, empty) {
  const top_kW = roundUp(maxPower / 1000);
  const begin = points[0]?.at ?? 0;
  const span = Math.max(30, ((points.at(-1)?.at ?? 0) - begin) / 1000);
  const { width, left, right, rem, x, y, parts } = frameOf(element, top_kW, span, true);
  if (points.length < 2) {
    // Put the text between two grid lines, which would otherwise run through it.
    const text = label((left + width - right) / 2, y(0.5) - 0.5 * (y(0.25) - y(0.5)) + 0.3 * rem, "middle", empty);
    text.setAttribute("class", "empty");
    return element.replaceChildren(...parts, text);
  }
  const top_kWh = roundUp(Math.max(0.01, (points.at(-1)?.energy ?? 0) / 1000));
  for (let step = 0; step <= 4; step += 1)
    parts.push(label(width - right + 0.4 * rem, y(step / 4) + 0.27 * rem, "start", trim((top_kWh * step) / 4)));
  parts.push(label(width - right + 0.4 * rem, 0.75 * rem, "start", "kWh"));
  const stride = Math.max(1, Math.floor(points.length / Math.max(100, width)));
  const thin = points.filter((_, index) => index % stride === 0 || index === points.length - 1);
  const at = (/** @type {Point} */ point) => x((point.at - begin) / 1000);
  /** @param {(point: Point) => number} share */
  const path = (share) =>
    thin.map((point, index) => `${index ? "L" : "M"}${at(point).toFixed(1)} ${y(share(point)).toFixed(1)}`).join("");
  const power = path((point) => point.power / 1000 / top_kW);
  const limit = stairs(thin.map((point) => [at(point), y(point.limit / 1000 / top_kW)]));
  parts.push(
    svg("path", { class: "area", d: `${power}L${at(thin[thin.length - 1]).toFixed(1)} ${y(0)}L${x(0)} ${y(0)}Z` }),
    svg("path", { class: "line-energy", d: path((point) => point.energy / 1000 / top_kWh) }),
    svg("path", { class: "line-power", d: power }),
    svg("path", { class: "line-limit", d: limit }),
  );
  element.replaceChildren(...parts);
}

/**
 * Mark the moment under the pointer on a session that is drawn, or none if there are no points.
 * @param {any} element the svg @param {Point[]} points @param {number} maxPower watts @param {number} pixel from the left
 * @returns {Point | null} the point that is nearest
 */
function markSession(element, points, maxPower, pixel) {
  element.querySelector(".pointed")?.remove();
  if (points.length < 2) return null;
  const top_kW = roundUp(maxPower / 1000);
  const top_kWh = roundUp(Math.max(0.01, (points.at(-1)?.energy ?? 0) / 1000));
  const span = Math.max(30, ((points.at(-1)?.at ?? 0) - points[0].at) / 1000);
  const { x, y } = frameOf(element, top_kW, span, true);
  const at = (/** @type {Point} */ point) => x((point.at - points[0].at) / 1000);
  const near = points.reduce((best, point) => (Math.abs(at(point) - pixel) < Math.abs(at(best) - pixel) ? point : best));
  const cx = at(near);
  const dot = (/** @type {string} */ kind, /** @type {number} */ share) => svg("circle", { class: `dot-${kind}`, cx, cy: y(share), r: 3.5 });
  element.append(
    svg(
      "g",
      { class: "pointed" },
      svg("line", { x1: cx, x2: cx, y1: y(0), y2: y(1) }),
      dot("energy", near.energy / 1000 / top_kWh),
      dot("power", near.power / 1000 / top_kW),
    ),
  );
  return near;
}

/**
 * Draw the limit over the coming hour.
 * @param {any} element the svg @param {{start: number, limit: number}[]} periods seconds and watts @param {number} duration seconds @param {number} maxPower watts
 */
function drawCurve(element, periods, duration, maxPower) {
  const top_kW = roundUp(maxPower / 1000);
  const { left, x, y, parts } = frameOf(element, top_kW, duration, false);
  const path = stairs(periods.map(({ start, limit }) => [x(start), y(limit / 1000 / top_kW)]));
  parts.push(
    svg("path", { class: "area", d: `${path}H${x(duration)}V${y(0)}H${left}Z` }),
    svg("path", { class: "line-limit", d: `${path}H${x(duration)}` }),
  );
  element.replaceChildren(...parts);
}

/** @param {number} x @param {number} y @param {string} anchor @param {string} text */
function label(x, y, anchor, text) {
  const element = svg("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
}

/** @param {number} value */
const trim = (value) => Number(value.toPrecision(3)).toLocaleString(language, { useGrouping: false });
