// The last messages of one charge point as frame rows, oldest first as in the ladder; a click opens a message.
import { $, element, stamp } from "./dom.js";
import { framesOf } from "./frame.js";
import * as clock from "./shared/clock.js";
import { duration, rowKinds, smallLane, wayOf, whatOf } from "./shared/frame_row.js";
import { jsonView } from "./shared/json_view.js";
import { t } from "./words.js";

let shown = { whose: null, newest: 0, drawnAs: "" };

function row(frame) {
  if (frame.note !== undefined) {
    return element("li", { className: "row event" }, stamp(frame.ts), element("span", {}), element("span", { className: "what", textContent: frame.note, title: frame.note }));
  }
  const kinds = rowKinds(frame);
  const what = whatOf({ ...frame, severity: null }, t);
  what.title = frame.summary;
  what.prepend(element("span", { className: "offscreen", textContent: `${wayOf(frame.direction, t)}: ` }));
  const latency = element("span", { className: "latency", textContent: frame.latency_us === 0 ? "<1 ms" : duration(frame.latency_us) });
  const details = element("details", {}, element("summary", { className: kinds.join(" ") }, stamp(frame.ts), smallLane(frame), what, latency));
  // Format a message only when it is opened, because most messages are never opened.
  details.ontoggle = () => { if (details.childElementCount === 1) details.append(element("pre", { className: "readable", tabIndex: 0 }, ...jsonView(frame.text))); };
  return element("li", {}, details);
}

const atEnd = (list) => list.scrollTop + list.clientHeight > list.scrollHeight - 40;

/** Add only the new messages, so that opened ones stay open. `entries` are sorted, the oldest first. */
export function showMessages(whose, entries) {
  const list = $("frames");
  const newest = entries.at(-1)?.number ?? 0;
  const drawnAs = `${document.documentElement.lang} ${clock.isLocal()}`;
  const anew = whose !== shown.whose || newest < shown.newest || drawnAs !== shown.drawnAs;
  const follow = anew || atEnd(list);
  if (anew) {
    shown = { whose, newest: 0, drawnAs };
    list.replaceChildren();
    unread(0);
  }
  const fresh = framesOf(entries).filter((frame) => frame.number > shown.newest);
  for (const frame of fresh) list.append(row(frame));
  while (list.childElementCount > entries.length) list.firstElementChild.remove();
  shown.newest = newest;
  if (follow) list.scrollTop = list.scrollHeight;
  else if (fresh.length) unread(unreadCount + fresh.length);
}

let unreadCount = 0;
function unread(count) {
  unreadCount = count;
  $("news").hidden = count === 0;
  $("news").textContent = `↓ ${t("{n} new", { n: count })}`;
}
$("news").onclick = () => { $("frames").scrollTop = $("frames").scrollHeight; unread(0); };
$("frames").addEventListener("scroll", () => { if (atEnd($("frames"))) unread(0); }, { passive: true });
