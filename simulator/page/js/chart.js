// Knows how to draw power, limit and energy over time as SVG; knows nothing of where the numbers come from.

/** @typedef {{at: number, power: number, limit: number, energy: number}} Point */

/** The least of 1, 2, 5 × 10ⁿ that is not below a value. @param {number} value */
function roundUp(value) {
  const tens = 10 ** Math.floor(Math.log10(Math.max(value, 1e-6)));
  return ([1, 2, 5].find((step) => step * tens >= value) ?? 10) * tens;
}

/** @param {number} seconds */
function clockText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/**
 * Draw one session: power and limit by the left axis in kW, energy by the right one in kWh.
 * @param {any} element the svg @param {Point[]} points @param {number} maxPower watts @param {string} empty shown when there is nothing
 */
function drawSession(element, points, maxPower, empty) {
  const width = element.clientWidth || 600;
  const height = element.clientHeight || 190;
  element.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const [left, right, top, bottom] = [38, 44, 8, 20];
  const innerWidth = width - left - right;
  const innerHeight = height - top - bottom;
  const top_kW = roundUp((maxPower / 1000) * 1.05);
  const parts = [];
  const y = (/** @type {number} */ share) => top + innerHeight * (1 - Math.min(1, Math.max(0, share)));
  const peak = points.at(-1)?.energy ?? 0;
  const top_kWh = roundUp(Math.max(0.01, peak / 1000));
  for (let step = 0; step <= 4; step += 1) {
    const height_ = y(step / 4);
    parts.push(svg("line", { class: "grid", x1: left, x2: width - right, y1: height_, y2: height_ }));
    parts.push(label(left - 6, height_ + 4, "end", trim((top_kW * step) / 4)));
    if (points.length) parts.push(label(width - right + 6, height_ + 4, "start", trim((top_kWh * step) / 4)));
  }
  if (points.length < 2) {
    const text = svg("text", {
      class: "empty",
      x: left + innerWidth / 2,
      y: top + innerHeight / 2,
      "text-anchor": "middle",
    });
    text.textContent = empty;
    element.replaceChildren(...parts, text);
    return;
  }
  const begin = points[0].at;
  const span = Math.max(30_000, points[points.length - 1].at - begin);
  const x = (/** @type {number} */ at) => left + (innerWidth * (at - begin)) / span;
  const stride = Math.max(1, Math.floor(points.length / Math.max(100, innerWidth)));
  const thin = points.filter((_, index) => index % stride === 0 || index === points.length - 1);
  /** @param {(point: Point) => number} share */
  const path = (share) =>
    thin.map((point, index) => `${index ? "L" : "M"}${x(point.at).toFixed(1)} ${y(share(point)).toFixed(1)}`).join("");
  const power = path((point) => point.power / 1000 / top_kW);
  const limits = thin
    .map(
      (point, index) =>
        `${index ? `H${x(point.at).toFixed(1)}V` : `M${x(point.at).toFixed(1)} `}${y(point.limit / 1000 / top_kW).toFixed(1)}`,
    )
    .join("");
  parts.push(
    svg("path", {
      class: "area",
      d: `${power}L${x(thin[thin.length - 1].at).toFixed(1)} ${y(0)}L${x(begin)} ${y(0)}Z`,
    }),
    svg("path", { class: "line-limit", d: limits }),
    svg("path", { class: "line-energy", d: path((point) => point.energy / 1000 / top_kWh) }),
    svg("path", { class: "line-power", d: power }),
    label(left, height - 4, "start", "0:00:00"),
    label(width - right, height - 4, "end", clockText(span / 1000)),
    label(left + 4, top + 11, "start", "kW"),
    label(width - right - 4, top + 11, "end", "kWh"),
  );
  element.replaceChildren(...parts);
}

/**
 * Draw the limit of the time to come.
 * @param {any} element the svg @param {{start: number, limit: number}[]} periods seconds and watts @param {number} duration seconds @param {number} maxPower watts
 */
function drawCurve(element, periods, duration, maxPower) {
  const width = element.clientWidth || 600;
  const height = element.clientHeight || 130;
  element.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const [left, right, top, bottom] = [38, 12, 8, 20];
  const top_kW = roundUp((maxPower / 1000) * 1.05);
  const x = (/** @type {number} */ seconds) => left + ((width - left - right) * seconds) / duration;
  const y = (/** @type {number} */ watts) => top + (height - top - bottom) * (1 - Math.min(1, watts / 1000 / top_kW));
  const parts = [0, 0.5, 1].flatMap((share) => {
    const at = y(share * top_kW * 1000);
    return [
      svg("line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at }),
      label(left - 6, at + 4, "end", trim(share * top_kW)),
    ];
  });
  const path = periods
    .map(
      ({ start, limit }, index) =>
        `${index ? `H${x(start).toFixed(1)}V` : `M${x(start).toFixed(1)} `}${y(limit).toFixed(1)}`,
    )
    .join("");
  parts.push(
    svg("path", { class: "area", d: `${path}H${x(duration)}V${y(0)}H${left}Z` }),
    svg("path", { class: "line-limit", d: `${path}H${x(duration)}` }),
  );
  parts.push(
    label(left + 4, top + 11, "start", "kW"),
    label(left, height - 4, "start", "0:00"),
    label(width - right, height - 4, "end", `${Math.round(duration / 60)} min`),
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
const trim = (value) => String(Number(value.toPrecision(3)));
