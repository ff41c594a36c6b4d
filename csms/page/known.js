// The facts about one charge point as tables: transactions, reservations, profiles, variables, notices.
import { $, element, redraw, smallButton, table, when } from "./dom.js";
import { jsonView } from "./shared/json_view.js";
import { t as said } from "./words.js";

const kwh = (t) => (t.energy_wh === null ? "–" : (t.energy_wh / 1000).toFixed(2));

export function showTransactions(point, operate) {
  const place = point.ocpp_version === "1.6" ? "Connector" : "EVSE";
  const columns = [{ name: "Id" }, { name: place }, { name: "Token" }, { name: "kWh", number: true }, { name: "Started" }, { name: "Ended" }, { name: "State" }, { name: "" }];
  redraw($("transaction-list"), [place, point.connected, point.transactions], () => {
    if (!point.transactions.length) return [element("p", { className: "quiet", textContent: said("None so far.") })];
    return [table(columns, point.transactions.map((t) => {
      const stop = smallButton(said("Stop"), said("Stop transaction {id}", { id: t.transaction_id }), () => operate("stop", { transaction_id: t.transaction_id }));
      stop.disabled = !point.connected;
      stop.dataset.key = t.transaction_id;
      const state = t.stopped ? t.stop_reason : t.charging_state ?? said("open");
      return [t.transaction_id, t.evse_id, t.id_token, kwh(t), when(t.started), when(t.stopped), state, t.stopped ? "" : stop];
    }))];
  });
}

const pretty = (value) => element("pre", { className: "readable", tabIndex: 0 }, ...jsonView(JSON.stringify(value)));

const PARTS = {
  Reservations: ["reservations", (r) => [r.reservation_id, r.evse_id, r.id_token, when(r.expires), r.status],
    [{ name: "Id" }, { name: "Place" }, { name: "Token" }, { name: "Expires" }, { name: "Status" }]],
  "Charging profiles": ["charging_profiles", (p) => [p.profile_id, p.evse_id, p.profile.chargingProfilePurpose, pretty(p.profile)],
    [{ name: "Id" }, { name: "Place" }, { name: "Purpose" }, { name: "Profile", wrap: true }]],
  Variables: ["variables", (v) => [v.component || null, v.variable, v.attribute === "Actual" ? "" : v.attribute, v.value, v.mutability],
    [{ name: "Component" }, { name: "Variable" }, { name: "Attribute" }, { name: "Value", wrap: true }, { name: "Access" }]],
  "Other notifications": ["notices", (n) => [when(n.ts), n.action, pretty(n.payload)],
    [{ name: "When" }, { name: "Action" }, { name: "Payload", wrap: true }]],
};

/** Show the facts as foldable tables; an open table stays open when it is refreshed. */
export function showKnown(point) {
  const box = $("known");
  if (box.dataset.whose !== point.charge_point_id) {
    box.dataset.whose = point.charge_point_id;
    box.replaceChildren(...Object.keys(PARTS).map((title) => {
      const region = element("div", { className: "scroll", tabIndex: 0, role: "region" });
      region.setAttribute("aria-label", said(title));
      return element("details", { open: title === "Variables" }, element("summary"), region);
    }));
  }
  Object.entries(PARTS).forEach(([title, [name, cells, columns]], number) => {
    const [summary, region] = box.children[number].children;
    const rows = point[name];
    summary.textContent = `${said(title)} (${rows.length})`;
    redraw(region, rows, () => [rows.length ? table(columns, rows.map(cells)) : element("p", { className: "quiet", textContent: said("None.") })]);
  });
}
