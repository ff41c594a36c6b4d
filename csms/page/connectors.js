// The connectors of one charge point as cards: status, transaction, and buttons.
import { $, element, redraw, when } from "./dom.js";
import { t } from "./words.js";

const KINDS = {
  Available: "good", Charging: "busy", Occupied: "busy", Preparing: "busy", Finishing: "busy", SuspendedEV: "warn",
  SuspendedEVSE: "warn", Reserved: "warn", Unavailable: "warn", Faulted: "bad",
};

/** The open transaction on a connector; in 2.x a transaction may have only the EVSE. */
function transactionOn(point, connector) {
  return point.transactions.find((each) => !each.stopped && each.evse_id === connector.evse_id && [null, connector.connector_id].includes(each.connector_id));
}

export function nameOf(point, connector) {
  if (connector.evse_id === 0) return point.ocpp_version === "1.6" ? t("Charge point") : "EVSE 0";
  if (point.ocpp_version === "1.6") return t("Connector {id}", { id: connector.connector_id });
  const several = point.connectors.filter((c) => c.evse_id === connector.evse_id).length > 1 || connector.connector_id !== 1;
  return `EVSE ${connector.evse_id}${several ? `, ${t("connector {id}", { id: connector.connector_id })}` : ""}`;
}

const kilo = (value, unit) => `${(value / 1000).toFixed(value < 100_000 ? 2 : 1)} ${unit}`;
const running = (tx) => [tx.power_w !== null && kilo(tx.power_w, "kW"), tx.soc !== null && `${Math.round(tx.soc)} %`].filter(Boolean).join(" · ");

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
      element("p", { className: "quiet", textContent: [transaction.id_token, t("since {time}", { time: when(transaction.started) }), status !== connector.status && status].filter(Boolean).join(" · ") }));
  }
  if (connector.evse_id > 0) {
    const unlock = point.ocpp_version === "1.6" ? place : { ...place, connector_id: connector.connector_id };
    node.append(element("div", { className: "buttons" },
      transaction
        ? button(t("Stop"), `do ${key}`, point.connected, () => operate("stop", { transaction_id: transaction.transaction_id }), "main")
        : button(t("Start"), `do ${key}`, point.connected, () => operate("start", { ...place, id_token: $("start-token").value }), "main"),
      button(t("Unlock"), `unlock ${key}`, point.connected, () => operate("unlock", unlock))));
  }
  return node;
}

export function showConnectors(point, operate) {
  $("no-connectors").hidden = point.connectors.some((connector) => connector.evse_id > 0);
  // Connector 0 is the charge point as a whole: show a card only if its status is unusual.
  const worth = point.connectors.filter((connector) => connector.evse_id > 0 || connector.status !== "Available");
  const shown = worth.map((connector) => ({ connector, transaction: transactionOn(point, connector) }));
  const facts = [point.charge_point_id, point.connected, point.ocpp_version, shown];
  redraw($("connectors"), facts, () => shown.map(({ connector, transaction }) => card(point, connector, transaction, operate)));
}
