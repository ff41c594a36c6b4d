// The open sessions as a table.
import { compose } from "./sending.js";
import { $, api, element, redraw, say, smallButton, table } from "./shared/elements.js";
import { t } from "./words.js";

const COLUMNS = [{ name: "Charge point" }, { name: "OCPP" }, { name: "From" }, { name: "Path" }, { name: "Held", number: true }, { name: "" }];

function pathOf(one) {
  if (one.cannot_edit) return element("span", { className: "chip bad", textContent: t("rules cannot apply"), title: one.cannot_edit });
  const editing = one.path === "editing";
  return element("span", { className: `chip ${editing ? "warn" : "good"}`, textContent: t(editing ? "rules can change it" : "fast, unchanged") });
}

export function showSessions(sessions, refresh) {
  redraw($("sessions"), sessions, () => {
    if (!sessions.length) return [element("p", { className: "quiet", textContent: t("No charge point is connected.") })];
    return [table(COLUMNS, sessions.map((one) => {
      const send = smallButton(t("Send…"), t("Send a frame in a session of {id}", { id: one.charge_point }), () => compose(one.charge_point));
      const close = smallButton(t("Close"), t("Close the session of {id}", { id: one.charge_point }), () =>
        say($("closed"), async () => {
          await api("POST", `sessions/${encodeURIComponent(one.charge_point)}/close`, { code: 1011, reason: "closed by the operator" });
          await refresh();
          return t("{id}: closed with 1011", { id: one.charge_point });
        }));
      send.dataset.key = `send ${one.number}`;
      close.dataset.key = `close ${one.number}`;
      return [one.charge_point, one.version ?? t("not known"), one.remote_addr, pathOf(one), one.held || "", element("span", { className: "buttons" }, send, close)];
    }))];
  });
}
