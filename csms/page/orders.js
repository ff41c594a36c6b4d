// Orders to misbehave, and raw frames.
import { answer } from "./answers.js";
import { $, api, element, redraw, say } from "./dom.js";
import { t } from "./words.js";

function orderRow({ number, left, what, action, charge_point: whose, ...details }, done) {
  const text = [
    t("{what} on {action}", { what, action: action === "*" ? t("every action") : action }),
    whose === "*" ? t("of all charge points") : "",
    Object.keys(details).length ? JSON.stringify(details) : "",
    left ? t("{n} more", { n: left }) : "",
  ].filter(Boolean).join(" · ");
  const withdraw = element("button", { type: "button", className: "small", textContent: t("Withdraw"), onclick: async () => { await api("DELETE", `misbehaviours/${number}`); done(); } });
  withdraw.dataset.key = `withdraw ${number}`;
  return element("li", {}, text, withdraw);
}

export function showOrders(orders, chosen, done) {
  const mine = orders.filter((order) => ["*", chosen].includes(order.charge_point));
  $("count-misbehave").textContent = mine.length || "";
  redraw($("orders"), mine, () => mine.map((order) => orderRow(order, done)));
}

$("order-what").onchange = () => {
  for (const label of document.querySelectorAll("[data-for]")) label.hidden = label.dataset.for !== $("order-what").value;
};

function written(chosen) {
  const what = $("order-what").value;
  const order = { what, charge_point: chosen, action: $("order-action").value };
  if ($("order-times").value) order.times = Number($("order-times").value);
  if (what === "delay") order.seconds = Number($("order-seconds").value);
  if (what === "error") order.code = $("order-error").value;
  if (what === "close") order.code = Number($("order-close").value);
  if (what === "wrong-field") {
    order.field = $("order-field").value;
    if ($("order-value").value) order.value = JSON.parse($("order-value").value);
  }
  return order;
}

/**
 * Make the forms for orders work. `one` returns the API's path of the chosen charge point, `chosen` its identity; `done`
 * is called after an order was given.
 */
export function wireOrders(one, chosen, done) {
  $("order").onsubmit = (event) => {
    event.preventDefault();
    say($("ordered"), async () => {
      await api("POST", "misbehaviours", written(chosen()));
      done();
      return "";
    });
  };
  $("raw").onsubmit = (event) => {
    event.preventDefault();
    answer(t("Raw frame"), async () => { await api("POST", one("/frames"), { text: $("raw-text").value }); return t("sent"); });
  };
}
