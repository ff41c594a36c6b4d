// The operator's page: shows what the API tells and asks it to act. Everything a charge point sent is put into the
// page as text, never as markup.
import { element, field } from "./form.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 1500;
const TRIGGERS = {
  "1.6": ["StatusNotification", "Heartbeat", "MeterValues", "BootNotification", "FirmwareStatusNotification", "DiagnosticsStatusNotification"],
  2: ["StatusNotification", "Heartbeat", "MeterValues", "TransactionEvent", "BootNotification", "FirmwareStatusNotification", "LogStatusNotification"],
};
let chosen = null; // identity of the charge point shown
let version = null; // its OCPP version, for which the forms were built
let payloadForm = null;

async function api(method, path, body) {
  const response = await fetch(`api/${path}`, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const content = response.status === 204 ? null : await response.json();
  if (!response.ok) throw new Error(content.error ?? `HTTP ${response.status}`);
  return content;
}

const one = (rest = "") => `charge-points/${encodeURIComponent(chosen)}${rest}`;

async function say(output, work) {
  output.className = "";
  output.textContent = "…";
  try {
    output.textContent = await work();
  } catch (error) {
    output.className = "bad";
    output.textContent = error.message;
  }
}

function outcome(result) {
  const asked = result.action ? `${result.action} ${JSON.stringify(result.request)}\n` : "";
  if (result.kind === "CALLERROR") return `${asked}CALLERROR ${result.error_code}: ${result.error_description}`;
  if (result.kind === "timeout") return `${asked}no answer came`;
  if (result.kind === "closed") return `${asked}the connection closed before an answer came`;
  const fault = result.error_code ? `\nthe answer does not fit its schema: ${result.error_description}` : "";
  return `${asked}${JSON.stringify(result.payload, null, 1)}${fault}`;
}

// 1.6 numbers connectors, 2.x EVSEs and the connectors of each.
const place = () => (version === "1.6" ? "Connector" : "EVSE");

// Lists

function showList(chargePoints) {
  $("nobody").hidden = chargePoints.length > 0;
  $("charge-points").replaceChildren(...chargePoints.map((point) => {
    const link = element("a", { href: `#${encodeURIComponent(point.charge_point_id)}` },
      element("b", { className: point.connected ? "dot connected" : "dot", textContent: point.charge_point_id }),
      element("span", { textContent: [`OCPP ${point.ocpp_version ?? "?"}`, point.connected ? "connected" : "not connected", point.vendor, point.model].filter(Boolean).join(" · ") }));
    const states = point.connectors.filter((c) => c.connector_id > 0).map((c) => `${c.evse_id}: ${c.status}`);
    if (states.length) link.append(element("span", { textContent: states.join(", ") }));
    if (point.charge_point_id === chosen) link.setAttribute("aria-current", "true");
    return element("li", {}, link);
  }));
}

function showDetail(point) {
  version = point.ocpp_version;
  for (const label of document.querySelectorAll(".place")) label.textContent = place();
  $("name").textContent = point.charge_point_id;
  $("facts").textContent = [
    `OCPP ${point.ocpp_version ?? "?"}`, point.connected ? "connected" : "not connected",
    point.boot_status ? `boot ${point.boot_status}` : "not booted", point.vendor, point.model,
    point.firmware && `firmware ${point.firmware}`, point.serial && `serial ${point.serial}`,
  ].filter(Boolean).join(" · ");
  $("connectors").replaceChildren(...point.connectors.map((c) => element("li", {
    textContent: `${c.connector_id ? `${place()} ${c.evse_id}${c.connector_id !== c.evse_id ? `.${c.connector_id}` : ""}` : "charge point"}: ${c.status}${c.error_code && c.error_code !== "NoError" ? ` (${c.error_code})` : ""}`,
    className: c.status === "Faulted" ? "bad" : ["Charging", "Occupied"].includes(c.status) ? "busy" : "",
  })));
  $("no-transactions").hidden = point.transactions.length > 0;
  $("transactions").replaceChildren(...point.transactions.map((t) => {
    const energy = t.energy_wh === null ? "–" : `${(t.energy_wh / 1000).toFixed(2)} kWh`;
    const cells = [t.transaction_id, t.evse_id ?? "–", t.id_token ?? "–", energy, clock(t.started), t.stopped ? t.stop_reason : t.charging_state ?? "open"];
    const stop = element("button", { type: "button", className: "small", textContent: "Stop", onclick: () => operate("stop", { transaction_id: t.transaction_id }) });
    return element("tr", {}, ...cells.map((cell) => element("td", { textContent: cell, title: cell })), element("td", {}, ...(t.stopped ? [] : [stop])));
  }));
  const frames = point.frames.toReversed();
  const newest = JSON.stringify(frames[0] ?? null) + frames.length;
  if ($("frames").dataset.newest === newest) return;
  $("frames").dataset.newest = newest;
  $("frames").replaceChildren(...frames.map((frame) => element("li", { className: frame.from_charge_point ? "from" : "to" },
    element("time", { textContent: clock(frame.ts) }),
    element("span", { className: "arrow", textContent: frame.from_charge_point ? "→" : "←", title: frame.from_charge_point ? "from the charge point" : "from the CSMS" }),
    element("span", { textContent: frame.text }))));
}

function clock(text) {
  const moment = new Date(text);
  return text && !isNaN(moment) ? moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }) : "–";
}

function showOrders(orders) {
  $("orders").replaceChildren(...orders.filter((order) => ["*", chosen].includes(order.charge_point)).map((order) => {
    const { number, left, what, action, charge_point, ...details } = order;
    const text = `${what} on ${action === "*" ? "every action" : action}${charge_point === "*" ? " of all charge points" : ""}${Object.keys(details).length ? ` ${JSON.stringify(details)}` : ""}${left ? `, ${left} more` : ""}`;
    return element("li", {}, text, element("button", { type: "button", className: "small", textContent: "Withdraw", onclick: async () => { await api("DELETE", `misbehaviours/${number}`); refresh(); } }));
  }));
}

// Forms

async function buildForms(point) {
  $("boot").value = point.boot_policy ?? "Accepted";
  const option = (name) => element("option", { textContent: name });
  document.querySelector("form[data-operation=trigger] select").replaceChildren(...(TRIGGERS[version] ?? TRIGGERS[2]).map(option));
  if (!version) return;
  const names = await api("GET", `actions/${version}`);
  $("action").replaceChildren(...names.from_csms.map(option));
  $("order-action").replaceChildren(element("option", { value: "*", textContent: "any action" }), ...names.from_charge_point.map(option));
  await buildPayload();
}

async function buildPayload() {
  const action = $("action").value;
  const { schema, example } = await api("GET", `actions/${version}/${action}`);
  // Another action may have been chosen meanwhile; its answer counts, whichever comes last.
  if (action !== $("action").value) return;
  payloadForm = field({ ...schema, description: "" }, schema.definitions ?? {}, action, example);
  $("fields").replaceChildren(payloadForm.node);
  $("json").value = "";
}

function operate(name, values) {
  return say($("done"), async () => outcome(await api("POST", one(`/operations/${name}`), values)));
}

for (const form of document.querySelectorAll("form[data-operation]")) {
  form.onsubmit = (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    if (values.evse_id) values.evse_id = Number(values.evse_id);
    if (event.submitter.name === "hard") values.hard = true;
    operate(form.dataset.operation, values);
  };
}

$("action").onchange = () => say($("answer"), async () => { await buildPayload(); return ""; });
$("send").onsubmit = (event) => {
  event.preventDefault();
  say($("answer"), async () => {
    const payload = $("json").value.trim() ? JSON.parse($("json").value) : payloadForm.read();
    return outcome(await api("POST", one("/calls"), { action: $("action").value, payload, checked: !$("unchecked").checked }));
  });
};

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

// Staying up to date

async function refresh() {
  try {
    const [status, list] = await Promise.all([api("GET", "status"), api("GET", `charge-points?search=${encodeURIComponent($("search").value)}`)]);
    $("trouble").hidden = true;
    $("address").textContent = `${status.address}/CHARGER-001`;
    $("summary").textContent = `${status.connected} of ${status.known} connected · ${status.open_transactions} charging · ${status.address}`;
    showList(list);
    $("choose").hidden = chosen !== null || list.length === 0;
    if (chosen === null) return;
    const shown = chosen;
    const [point, orders] = await Promise.all([api("GET", one()), api("GET", "misbehaviours")]);
    if (shown !== chosen) return;
    const formsAreStale = version !== point.ocpp_version || $("detail").hidden;
    showDetail(point);
    showOrders(orders);
    if (formsAreStale) {
      $("detail").hidden = false;
      await buildForms(point);
    }
  } catch (error) {
    $("trouble").hidden = false;
    $("trouble").textContent = error instanceof TypeError ? "The CSMS does not answer; it may have ended." : error.message;
  }
}

function choose() {
  chosen = location.hash.length > 1 ? decodeURIComponent(location.hash.slice(1)) : null;
  version = null;
  document.body.classList.toggle("one", chosen !== null);
  $("detail").hidden = true;
  for (const output of document.querySelectorAll("output")) output.textContent = "";
  document.title = chosen === null ? "CSMS" : `${chosen} · CSMS`;
  refresh();
}

$("search").oninput = refresh;
addEventListener("hashchange", choose);
choose();
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
