// Computations for a plot: lines, units, marks of the axes, the sample under the cursor. Draws nothing.

// The lines of a series. A line ends where no values are known until the next sample.
export const linesOf = ({ points, breaks = [] }) => {
  const starts = [0, ...breaks];
  return starts.map((start, place) => points.slice(start, starts[place + 1] ?? points.length)).filter((line) => line.length);
};

// Energy is in Wh if the changes of the register are so small that kWh would hide them.
export const WATT_HOURS_UP_TO = 5000;
export const energyUnit = (values) => {
  const span = values.length ? Math.max(...values) - Math.min(...values) : 0;
  return span <= WATT_HOURS_UP_TO ? { shown: "Wh", scale: 1 } : { shown: "kWh", scale: 1e-3 };
};

const grouped = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

// A value as text for the legend: a register in whole watt-hours, other values with three digits.
export const reading = (kind, value, { shown, scale }) => {
  if (kind === "energy") return shown === "kWh" ? grouped(value * scale, 3) : grouped(value, Number.isInteger(value) ? 0 : 1);
  const scaled = value * scale;
  if (kind === "soc") return grouped(scaled, Number.isInteger(scaled) ? 0 : 1);
  return Math.abs(scaled) >= 100 ? scaled.toFixed(0) : Math.abs(scaled) >= 10 ? scaled.toFixed(1) : scaled.toFixed(2);
};

const step = (span, most) => {
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999999);
};

// The ends of a strip's axis. It includes zero for power and current, and 0 to 100 for a state of charge.
export const extent = (kind, values) => {
  if (kind === "soc") return [0, Math.max(100, ...values)];
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (kind !== "energy") [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (high - low < 1e-9) [low, high] = kind === "energy" ? [low - 1, high + 1] : [low, high + 1];
  const room = (high - low) * 0.08;
  return [low === 0 ? 0 : low - room, high === 0 ? 0 : high + room];
};

// Marks of a value axis at round numbers, at least `apart` from each other (in the unit of the axis): the lowest, the
// highest, and as many in between as there is room for.
export const marks = (low, high, apart) => {
  let found = [];
  for (const most of [1, 2, 3, 4, 5]) {
    const size = step(high - low, most);
    const here = [];
    for (let tick = Math.ceil(low / size - 1e-9); tick * size <= high + size * 1e-9; tick++) here.push(+(tick * size).toPrecision(12));
    if (here.length > 1 && size < apart) {
      const ends = [here[0], here.at(-1)];
      return found.length > 1 || ends[1] - ends[0] < apart ? (found.length ? found : here.slice(0, 1)) : ends;
    }
    if (here.length >= found.length) found = here;
  }
  return found;
};

const SECOND = 1000;
const DAY = 86_400 * SECOND;
const TIME_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200]
  .map((s) => s * SECOND);

// Marks of the time axis, far enough apart for their labels; where days change, the label is the date.
// `clock` has date(ms), minutes(ms), seconds(ms) and millis(ms); `offset` is the zone's distance to UTC in ms.
export const timeMarks = (start, end, width, clock, offset = 0) => {
  const most = Math.max(2, Math.floor(width / 96));
  let size = TIME_STEPS.find((each) => (end - start) / each <= most);
  if (!size) { size = DAY; while ((end - start) / size > most) size += DAY; }
  const days = clock.date(start) !== clock.date(end);
  const found = [];
  let shown = null;
  for (let tick = Math.ceil((start + offset) / size) * size - offset; tick <= end; tick += size) {
    const day = clock.date(tick);
    const text = size < SECOND ? clock.millis(tick) : size < 60 * SECOND ? clock.seconds(tick) : clock.minutes(tick);
    found.push({ ms: tick, text: days && day !== shown ? (size >= DAY || clock.seconds(tick) === "00:00:00" ? day : `${day.slice(5)} ${text}`) : text });
    shown = day;
  }
  return found;
};

// The sample at the cursor: the nearest one of a line that spans this time, or else one within `reach` ms.
export const sampleAt = (lines, ms, reach) => {
  let best = null;
  for (const line of lines) {
    if (ms < line[0][0] - reach || ms > line.at(-1)[0] + reach) continue;
    let [low, high] = [0, line.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (line[middle][0] <= ms) low = middle; else high = middle;
    }
    const point = Math.abs(line[low][0] - ms) <= Math.abs(line[high][0] - ms) ? line[low] : line[high];
    if (!best || Math.abs(point[0] - ms) < Math.abs(best[0] - ms)) best = point;
  }
  return best;
};

// The limit that is valid at a time; each step is a pair of points.
export const limitAt = (points, ms) => {
  for (let place = 0; place + 1 < points.length; place += 2) {
    if (points[place][0] <= ms && ms <= points[place + 1][0]) return points[place][1];
  }
  return null;
};

// The places where samples are above the limit in force, as pairs of points. A charge point needs a moment to follow a
// limit: a pair counts from `settle` ms after the limit last changed. Meters are not exact: 5 % and `slack` are allowed.
export const above = (lines, steps, slack = 0, settle = 30_000) => {
  const over = ([ms, value]) => {
    const place = steps.findIndex(([from], at) => at % 2 === 0 && from <= ms && ms <= steps[at + 1]?.[0]);
    return place >= 0 && ms - steps[place][0] >= settle && value > steps[place][1] * 1.05 + slack;
  };
  return lines.flatMap((line) => line.slice(1).flatMap((point, place) => (over(line[place]) && over(point) ? [[line[place], point]] : [])));
};

// The places where a register decreases, as pairs of points.
export const falls = (lines) => lines.flatMap((line) => line.slice(1).flatMap((point, place) => (point[1] < line[place][1] ? [[line[place], point]] : [])));

// The first name that fits into `room` pixels, or "". Names are not cut: a part of an id would look like another id.
export const fitting = (names, room, perLetter = 6.2) => names.find((name) => name.length * perLetter <= room) ?? "";
