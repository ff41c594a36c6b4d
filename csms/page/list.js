// The list of charge points: as rows in the sidebar, where absent ones are folded away, and as a table on the start page.
import { $, element, redraw, table, when } from "./dom.js";
import { t } from "./words.js";

export const SHOWN = 200; // the most charge points in the list; the search finds the others

const WORST = ["Faulted", "Charging", "SuspendedEV", "SuspendedEVSE", "Preparing", "Finishing", "Occupied", "Reserved", "Unavailable", "Available"];
const TONES = { Faulted: "bad", Charging: "busy", SuspendedEV: "warn", SuspendedEVSE: "warn", Unavailable: "warn", Reserved: "warn", Occupied: "busy", Preparing: "busy", Finishing: "busy", Available: "good" };

const statusOf = (connector, point) =>
  point.open_transactions.find((each) => each.evse_id === connector.evse_id)?.charging_state ?? connector.status;
const places = (point) => point.connectors.filter((each) => each.evse_id > 0);

/** The most important status of the connectors. */
function telling(point) {
  const found = places(point).map((each) => statusOf(each, point));
  return WORST.find((status) => found.includes(status)) ?? found[0] ?? "";
}

function item(point, chosen) {
  const status = point.connected ? telling(point) : "";
  const link = element("a", { href: `#${encodeURIComponent(point.charge_point_id)}`, title: point.charge_point_id },
    element("b", { className: point.connected ? "dot connected" : "dot", textContent: point.charge_point_id }),
    element("span", { className: `tone ${TONES[status] ?? ""}`, textContent: status || point.ocpp_version || "" }));
  link.dataset.key = point.charge_point_id;
  if (point.charge_point_id === chosen) link.setAttribute("aria-current", "true");
  return element("li", {}, link);
}

export function showList(points, search, chosen) {
  const [here, away] = [points.filter((each) => each.connected), points.filter((each) => !each.connected)];
  $("nobody").hidden = points.length > 0 || search !== "";
  $("more").hidden = points.length < SHOWN;
  $("offline").hidden = away.length === 0;
  $("offline-count").textContent = away.length;
  // Unfold the absent charge points during a search, and if the chosen one is among them.
  if (search || away.some((each) => each.charge_point_id === chosen)) $("offline").open = true;
  const facts = (each) => [each.charge_point_id, each.ocpp_version, each.connected, each.connectors.map((c) => c.status), each.open_transactions.map((tx) => tx.charging_state)];
  redraw($("charge-points"), [chosen, here.map(facts)], () => here.map((each) => item(each, chosen)));
  redraw($("offline-points"), [chosen, away.map(facts)], () => away.map((each) => item(each, chosen)));
}

const COLUMNS = [{ name: "Charge point" }, { name: "OCPP" }, { name: "State" }, { name: "Connectors" }, { name: "Charging" }, { name: "Make" }, { name: "Firmware" }, { name: "Last message" }];

function stateOf(point) {
  const [text, tone] = !point.connected ? [t("not connected"), ""] : point.boot_status === "Accepted" ? [t("connected"), "good"] : [point.boot_status ? t("boot {status}", { status: point.boot_status }) : t("not booted"), "warn"];
  return element("span", { className: `chip ${tone}`, textContent: text });
}

function connectorsOf(point) {
  if (!point.connected) return "";
  return element("span", { className: "chips" }, ...places(point).map((each) => {
    const status = statusOf(each, point);
    return element("span", { className: `chip ${TONES[status] ?? ""}`, textContent: `${each.evse_id} ${status}` });
  }));
}

const chargingOf = (point) => point.open_transactions.map((each) => `${each.id_token ?? "–"} ${t("since {time}", { time: when(each.started) })}`).join(", ");

export function showFleet(points) {
  redraw($("fleet-table"), points, () => {
    if (!points.length) return [element("p", { className: "quiet", textContent: t("No charge point matches.") })];
    const made = table(COLUMNS, points.map((point) => [
      element("a", { href: `#${encodeURIComponent(point.charge_point_id)}`, textContent: point.charge_point_id, className: point.connected ? "dot connected" : "dot" }),
      point.ocpp_version ?? "",
      stateOf(point),
      connectorsOf(point),
      point.connected ? chargingOf(point) : "",
      [point.vendor, point.model].filter(Boolean).join(" "),
      point.firmware ?? "",
      when(point.last_seen),
    ]));
    made.className = "fleet";
    [...made.tBodies[0].rows].forEach((row, at) => { if (!points[at].connected) row.className = "away"; });
    return [made];
  });
}
