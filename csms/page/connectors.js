// The connectors of one charge point as cards: status, transaction, and buttons.
import { $, element, redraw, when } from "./dom.js";

const KINDS = {
  Available: "good", Charging: "busy", Occupied: "busy", Preparing: "busy", Finishing: "busy", SuspendedEV: "warn",
  SuspendedEVSE: "warn", Reserved: "warn", Unavailable: "warn", Faulted: "bad",
};

/** The open transaction on a connector; in 2.x a transaction may name the EVSE only. */
function transactionOn(point, connector) {
  return point.transactions.find((t) => !t.stopped && t.evse_id === connector.evse_id && [null, connector.connector_id].includes(t.connector_id));
}

export function nameOf(point, connector) {
  if (connector.evse_id === 0) return point.ocpp_version === "1.6" ? "Charge point" : "EVSE 0";
  if (point.ocpp_version === "1.6") return `Connector ${connector.connector_id}`;
  const several = point.connectors.filter((c) => c.evse_id === connector.evse_id).length > 1 || connector.connector_id !== 1;
  return `EVSE ${connector.evse_id}${several ? `, connector ${connector.connector_id}` : ""}`;
}

const kilo = (value, unit) => `${(value / 1000).toFixed(value < 100_000 ? 2 : 1)} ${unit}`;
const running = (t) => [t.power_w !== null && kilo(t.power_w, "kW"), t.soc !== null && `${Math.round(t.soc)} %`].filter(Boolean).join(" · ");

function button(text, key, enabled, act, className = "") {
  const made = element("button", { type: "button", textContent: text, disabled: !enabled, onclick: act, className });
  made.dataset.key = key;
  return made;
}

function card(point, connector, transaction, operate) {
  const place = { evse_id: connector.evse_id };
  const key = `${connector.evse_id}.${connector.connector_id}`;
  const error = connector.error_code && connector.error_code !== "NoError" ? ` (${connector.error_code})` : "";
  const status = transaction?.charging_state ?? connector.status;
  const node = element("article", { className: "place" },
    element("header", {}, element("h3", { textContent: nameOf(point, connector) }),
      element("span", { className: `chip ${KINDS[connector.status] ?? ""}`, textContent: `${connector.status}${error}` })));
  if (transaction) {
    const energy = transaction.energy_wh === null ? "–" : kilo(transaction.energy_wh, "kWh");
    node.append(
      element("p", { className: "much" }, energy, " ", element("small", { textContent: running(transaction) })),
      element("p", { className: "quiet", textContent: [transaction.id_token, `since ${when(transaction.started)}`, status !== connector.status && status].filter(Boolean).join(" · ") }));
  }
  if (connector.evse_id > 0) {
    const unlock = point.ocpp_version === "1.6" ? place : { ...place, connector_id: connector.connector_id };
    node.append(element("div", { className: "buttons" },
      transaction
        ? button("Stop", `do ${key}`, point.connected, () => operate("stop", { transaction_id: transaction.transaction_id }), "main")
        : button("Start", `do ${key}`, point.connected, () => operate("start", { ...place, id_token: $("start-token").value }), "main"),
      button("Unlock", `unlock ${key}`, point.connected, () => operate("unlock", unlock))));
  }
  return node;
}

export function showConnectors(point, operate) {
  $("no-connectors").hidden = point.connectors.length > 0;
  const shown = point.connectors.map((connector) => ({ connector, transaction: transactionOn(point, connector) }));
  const facts = [point.charge_point_id, point.connected, point.ocpp_version, shown];
  redraw($("connectors"), facts, () => shown.map(({ connector, transaction }) => card(point, connector, transaction, operate)));
}
