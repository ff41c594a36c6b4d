// Helpers for all parts of the page: those of every page, and times.
import * as clock from "./shared/clock.js";
import { element } from "./shared/elements.js";

export { $, api, element, redraw, say, smallButton, table } from "./shared/elements.js";

const known = (text) => text && !isNaN(new Date(text));

/** A time as text, with the date if it is not today. */
export function when(text) {
  if (!known(text)) return "–";
  const time = clock.seconds(text);
  return clock.date(text) === clock.date(Date.now()) ? time : `${clock.date(text)} ${time}`;
}

/** A <time> element with milliseconds, as in the ladder. */
export function stamp(text) {
  return element("time", { className: "time", dateTime: text, textContent: known(text) ? clock.millis(text) : "–" });
}
