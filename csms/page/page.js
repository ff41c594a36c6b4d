// The operator's page: what it shows, and how it refreshes. The parts are in the other modules.
import { $, api, element, redraw, say } from "./dom.js";
import { showConnectors } from "./connectors.js";
import { showKnown, showTransactions } from "./known.js";
import { showMessages } from "./messages.js";
import { offer, timed } from "./sending.js";
import { wireBar } from "./shared/bar.js";
import { preferredLanguage } from "./shared/preferences.js";
import { showTokens } from "./tokens.js";

const REFRESH_MS = 1000;
const SHOWN = 100; // charge points in the list; search finds the others
const TRIGGERS = {
  "1.6": ["StatusNotification", "Heartbeat", "MeterValues", "BootNotification", "FirmwareStatusNotification", "DiagnosticsStatusNotification"],
  2: ["StatusNotification", "Heartbeat", "MeterValues", "TransactionEvent", "BootNotification", "FirmwareStatusNotification", "LogStatusNotification"],
};
const BOOTS = { Accepted: "good", Pending: "warn", Rejected: "bad" };
let chosen = null; // the identity of the shown charge point
let version = null; // its OCPP version, which the forms are made for

const one = (rest = "") => `charge-points/${encodeURIComponent(chosen)}${rest}`;
const operate = (name, values) => say($("done"), () => timed(() => api("POST", one(`/operations/${name}`), values)));

function showList(chargePoints, search) {
  $("nobody").hidden = chargePoints.length > 0 || search !== "";
  $("more").hidden = chargePoints.length < SHOWN;
  const shown = chargePoints.map((point) => ({
    id: point.charge_point_id,
    connected: point.connected,
    facts: [point.ocpp_version && `OCPP ${point.ocpp_version}`, point.connected ? "connected" : "not connected", point.vendor, point.model].filter(Boolean).join(" · "),
    states: point.connectors.filter((c) => c.evse_id > 0).map((c) => `${c.evse_id}: ${c.status}`).join(", "),
  }));
  redraw($("charge-points"), [chosen, shown], () => shown.map((point) => {
    const link = element("a", { href: `#${encodeURIComponent(point.id)}` },
      element("b", { className: point.connected ? "dot connected" : "dot", textContent: point.id }),
      element("span", { textContent: point.facts }), ...(point.states ? [element("span", { textContent: point.states })] : []));
    link.dataset.key = point.id;
    if (point.id === chosen) link.setAttribute("aria-current", "true");
    return element("li", {}, link);
  }));
}

function showDetail(point) {
  version = point.ocpp_version;
  $("name").textContent = point.charge_point_id;
  Object.assign($("there"), { textContent: point.connected ? "connected" : "not connected", className: `chip ${point.connected ? "good" : "bad"}` });
  $("version").textContent = `OCPP ${version ?? "not known yet"}`;
  Object.assign($("boot-status"), { textContent: point.boot_status ? `boot ${point.boot_status}` : "not booted", className: `chip ${BOOTS[point.boot_status] ?? "warn"}` });
  $("facts").textContent = [point.vendor, point.model, point.firmware && `firmware ${point.firmware}`, point.serial && `serial ${point.serial}`].filter(Boolean).join(" · ");
  for (const control of document.querySelectorAll(".tools button, #send > .main, #raw button")) control.disabled = !point.connected;
  $("forget").disabled = point.connected;
  showConnectors(point, operate);
  showTransactions(point, operate);
  showKnown(point);
  showMessages(point.charge_point_id, point.frames);
}

function showOrders(orders) {
  const mine = orders.filter((order) => ["*", chosen].includes(order.charge_point));
  redraw($("orders"), mine, () => mine.map((order) => {
    const { number, left, what, action, charge_point, ...details } = order;
    const text = `${what} on ${action === "*" ? "every action" : action}${charge_point === "*" ? " of all charge points" : ""}${Object.keys(details).length ? ` ${JSON.stringify(details)}` : ""}${left ? `, ${left} more` : ""}`;
    return element("li", {}, text, element("button", { type: "button", className: "small", textContent: "Withdraw", onclick: async () => { await api("DELETE", `misbehaviours/${number}`); refresh(); } }));
  }));
}

async function buildForms(point) {
  $("boot").value = point.boot_policy ?? "Accepted";
  const option = (name) => element("option", { textContent: name });
  document.querySelector("form[data-operation=trigger] select").replaceChildren(...(TRIGGERS[version] ?? TRIGGERS[2]).map(option));
  if (!version) return;
  const names = await api("GET", `actions/${version}`);
  $("order-action").replaceChildren(element("option", { value: "*", textContent: "any action" }), ...names.from_charge_point.map(option));
  await offer(version, one, names.from_csms);
}

for (const form of document.querySelectorAll("form[data-operation]")) {
  form.onsubmit = (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    if (event.submitter.name === "hard") values.hard = true;
    operate(form.dataset.operation, values);
  };
}
$("disconnect").onclick = () => say($("done"), async () => { await api("POST", one("/disconnect")); return "closed with 1000; the charge point should reconnect"; });

$("order-what").onchange = () => {
  for (const label of document.querySelectorAll("[data-for]")) label.hidden = label.dataset.for !== $("order-what").value;
};
$("order").onsubmit = (event) => {
  event.preventDefault();
  say($("ordered"), async () => {
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
    await api("POST", "misbehaviours", order);
    refresh();
    return "";
  });
};
$("raw").onsubmit = (event) => {
  event.preventDefault();
  say($("raw-sent"), async () => { await api("POST", one("/frames"), { text: $("raw-text").value }); return "sent"; });
};
$("policy").onsubmit = (event) => {
  event.preventDefault();
  say($("kept"), async () => {
    const policy = { boot: $("boot").value };
    if ($("password").value) policy.password = $("password").value;
    await api("PATCH", one(), policy);
    $("password").value = "";
    return "kept";
  });
};
$("forget").onclick = () => {
  if (!confirm(`Forget ${chosen}, with its transactions, meter values and policy?`)) return;
  say($("kept"), async () => { await api("DELETE", one()); location.hash = ""; return ""; });
};
$("add").onsubmit = (event) => {
  event.preventDefault();
  const { id, password, boot } = Object.fromEntries(new FormData(event.target));
  say($("added"), async () => {
    await api("PATCH", `charge-points/${encodeURIComponent(id)}`, password ? { boot, password } : { boot });
    event.target.reset();
    location.hash = encodeURIComponent(id);
    return "";
  });
};

// Staying up to date

async function refresh() {
  try {
    const search = $("search").value;
    const status = await api("GET", "status");
    $("summary").textContent = `${status.connected} of ${status.known} connected · ${status.open_transactions} charging · ${status.address}`;
    if (tokensShown()) {
      await showTokens(status.unknown_tokens);
    } else {
      const list = await api("GET", `charge-points?search=${encodeURIComponent(search)}&limit=${SHOWN}`);
      $("address").textContent = `${status.address}/CHARGER-001`;
      showList(list, search);
      $("choose").hidden = chosen !== null || list.length === 0;
      if (chosen !== null) await refreshDetail();
    }
    $("trouble").hidden = true;
  } catch (error) {
    $("trouble").hidden = false;
    $("trouble").textContent = error instanceof TypeError ? "The CSMS does not answer; it may have stopped." : error.message;
  }
}

async function refreshDetail() {
  const shown = chosen;
  const [point, orders] = await Promise.all([api("GET", one()), api("GET", "misbehaviours")]);
  if (shown !== chosen) return;
  const formsAreStale = version !== point.ocpp_version || $("detail").hidden;
  showDetail(point);
  showOrders(orders);
  if (!formsAreStale) return;
  $("detail").hidden = $("log").hidden = false;
  await buildForms(point);
}

const tokensShown = () => location.hash === "#/tokens";

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand: no charge point has this name, and the page says so
  }
}

function choose() {
  chosen = location.hash.length > 1 && !tokensShown() ? decoded(location.hash.slice(1)) : null;
  version = null;
  document.body.classList.toggle("one", chosen !== null || tokensShown());
  $("detail").hidden = $("log").hidden = true;
  $("side").hidden = tokensShown();
  $("tokens").hidden = !tokensShown();
  $("choose").hidden = true;
  for (const [link, here] of [[$("to-points"), !tokensShown()], [$("to-tokens"), tokensShown()]]) {
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const output of document.querySelectorAll("output")) output.textContent = "";
  document.title = tokensShown() ? "Id tokens · CSMS" : chosen === null ? "CSMS" : `${chosen} · CSMS`;
  refresh();
}

$("search").oninput = refresh;
addEventListener("hashchange", choose);
document.documentElement.lang = preferredLanguage();
wireBar("csms", (language) => { document.documentElement.lang = language; });
choose();
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
