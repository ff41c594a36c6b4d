// The parts of a row that shows one frame, for the ladder, the CSMS page and the simulator page.

/**
 * @typedef {{direction: string, msg_type: number | null, type?: string, action: string | null, severity?: string | null,
 *   summary: string, forwarded?: boolean | number}} RowFrame `direction` is cp-to-csms or csms-to-cp
 */

/** @param {string} name @param {Record<string, string | number>} attributes @returns {SVGElement} */
export function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** @param {string} name @param {string} kind @param {...(Node | string)} children @returns {HTMLElement} */
function part(name, kind, ...children) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...children);
  return made;
}

/** A duration in a fitting unit. @param {number | null | undefined} us @returns {string} */
export function duration(us) {
  if (us === null || us === undefined) return "";
  if (us < 0) return `-${duration(-us)}`;
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 999_500) return `${+(us / 1000).toPrecision(3)} ms`;
  if (us < 59_950_000) return `${+(us / 1e6).toPrecision(3)} s`;
  const minutes = Math.floor(us / 6e7);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(us / 1e6) % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** The classes of a frame's row. @param {RowFrame} frame @returns {string[]} */
export function rowKinds(frame) {
  const kinds = ["row", frame.msg_type === 2 || frame.msg_type === 6 ? "call" : "answer"];
  if (frame.severity) kinds.push(`s-${frame.severity}`);
  return kinds;
}

/**
 * The content of a frame's row: action, badges and summary.
 * @param {RowFrame} frame @param {(text: string) => string} [t] translates a text of the page
 * @returns {HTMLElement}
 */
export function whatOf(frame, t = (text) => text) {
  const what = part("span", "what", part("b", "", frame.action || t("no action")), " ");
  if (![2, 3].includes(frame.msg_type ?? 0)) what.append(part("span", "cs-badge cs-other", frame.type ?? ""), " ");
  if (frame.forwarded === false || frame.forwarded === 0) what.append(part("span", "cs-badge cs-error", t("not forwarded")), " ");
  if (frame.severity) what.append(part("span", `cs-badge cs-${frame.severity}`, t(frame.severity)), " ");
  // The words of a summary are those of OCPP, in every language.
  const summary = part("i", "", frame.summary);
  summary.lang = "en";
  what.append(summary);
  return what;
}

/** The words for the direction of a frame. @param {string} direction @param {(text: string) => string} [t] @returns {string} */
export function wayOf(direction, t = (text) => text) {
  return t(direction === "cp-to-csms" ? "charge point → CSMS" : "CSMS → charge point");
}

/**
 * The arrow of a frame between two lifelines: solid for a CALL, dashed for an answer, a cross for a CALLERROR.
 * @param {RowFrame} frame @param {number} left @param {number} right x of the charge point and of the CSMS @param {number} y
 * @returns {SVGElement[]}
 */
export function arrow(frame, left, right, y) {
  const rightwards = frame.direction === "cp-to-csms";
  const [from, to] = rightwards ? [left + 4, right - 4] : [right - 4, left + 4];
  const tone = frame.severity === "error" || frame.severity === "warning" ? `l-${frame.severity}` : rightwards ? "l-cp" : "l-csms";
  const isAnswer = [3, 4, 5].includes(frame.msg_type ?? 0);
  const style = frame.msg_type === null ? " l-broken" : isAnswer ? " l-back" : "";
  const back = rightwards ? -7 : 7;
  const parts = [
    shape("line", { class: `l-arrow ${tone}${style}`, x1: from, x2: to + back, y1: y, y2: y }),
    shape("path", { class: `${tone}${isAnswer ? " l-open" : ""}`, d: `M${to} ${y}l${back} -3.5v7z`, "stroke-width": 1.3 }),
  ];
  if (frame.msg_type === 4 || frame.msg_type === 5) {
    const x = (from + to) / 2;
    parts.push(shape("path", { class: "l-arrow l-error", d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` }));
  }
  return parts;
}

/** The arrow of a frame as a small picture with two short lifelines. @param {RowFrame} frame @returns {SVGElement} */
export function smallLane(frame) {
  const lane = shape("svg", { class: "small-lane", width: 48, height: 28, viewBox: "0 0 48 28", "aria-hidden": "true" });
  const lives = [5, 43].map((x) => shape("line", { class: "l-life", x1: x, x2: x, y1: -8, y2: 36 }));
  lane.append(...lives, ...arrow(frame, 5, 43, 14));
  return lane;
}
