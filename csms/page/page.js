// The operator's page: choose a charge point, and refresh the parts of the page, which are in other modules.
import { answer, forgetAnswer } from "./answers.js";
import { $, api, element, say } from "./dom.js";
import { showConnectors } from "./connectors.js";
import { showKnown, showTransactions } from "./known.js";
import { SHOWN, showFleet, showList } from "./list.js";
import { showMessages } from "./messages.js";
import { showOrders, wireOrders } from "./orders.js";
import { offer } from "./sending.js";
import { wireBar } from "./shared/bar.js";
import { isLocal } from "./shared/clock.js";
import { keepInSight, onTab, openTab, TABS } from "./tabs.js";
import { showTokens } from "./tokens.js";
import { preferredLanguage, speak, t } from "./words.js";

const REFRESH_MS = 1000;
const TRIGGERS = {
  "1.6": ["StatusNotification", "Heartbeat", "MeterValues", "BootNotification", "FirmwareStatusNotification", "DiagnosticsStatusNotification"],
  2: ["StatusNotification", "Heartbeat", "MeterValues", "TransactionEvent", "BootNotification", "FirmwareStatusNotification", "LogStatusNotification"],
};
const BOOTS = { Accepted: "good", Pending: "warn", Rejected: "bad" };
let chosen = null; // the identity of the shown charge point
let version = null; // the OCPP version of the shown charge point, for the forms

const one = (rest = "") => `charge-points/${encodeURIComponent(chosen)}${rest}`;
const operate = (name, values) => {
  const path = one(`/operations/${name}`);
  answer(name, () => api("POST", path, values), () => api("POST", path, { ...values, checked: false }));
};

function showDetail(point) {
  version = point.ocpp_version;
  $("name").textContent = point.charge_point_id;
  Object.assign($("there"), { textContent: t(point.connected ? "connected" : "not connected"), className: `chip ${point.connected ? "good" : "bad"}` });
  $("version").textContent = version ? `OCPP ${version}` : t("OCPP not known yet");
  Object.assign($("boot-status"), { textContent: point.boot_status ? t("boot {status}", { status: point.boot_status }) : t("not booted"), className: `chip ${BOOTS[point.boot_status] ?? "warn"}` });
  $("facts").textContent = [point.vendor, point.model, point.firmware && `${t("firmware")} ${point.firmware}`, point.serial && `${t("serial")} ${point.serial}`].filter(Boolean).join(" · ");
  for (const control of document.querySelectorAll(".tools button, #send > .main, #raw button")) control.disabled = !point.connected;
  $("forget").disabled = point.connected;
  const open = point.transactions.filter((each) => !each.stopped).length;
  $("count-transactions").textContent = open || "";
  showConnectors(point, operate);
  showTransactions(point, operate);
  showKnown(point);
  showMessages(point.charge_point_id, point.frames);
}

async function buildForms(point) {
  const shown = { id: chosen, version };
  $("boot").value = point.boot_policy ?? "Accepted";
  const option = (name) => element("option", { textContent: name });
  document.querySelector("form[data-operation=trigger] select").replaceChildren(...(TRIGGERS[version] ?? TRIGGERS[2]).map(option));
  if (!version) return;
  const names = await api("GET", `actions/${version}`);
  // Stop if the user has chosen another charge point or language meanwhile: the next refresh builds the forms.
  if (shown.id !== chosen || shown.version !== version) return;
  $("order-action").replaceChildren(element("option", { value: "*", textContent: t("any action") }), ...names.from_charge_point.map(option));
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
$("disconnect").onclick = () => answer(t("Disconnect"), async () => { await api("POST", one("/disconnect")); return t("closed with 1000; the charge point should reconnect"); });
$("policy").onsubmit = (event) => {
  event.preventDefault();
  say($("kept"), async () => {
    const policy = { boot: $("boot").value };
    if ($("password").value) policy.password = $("password").value;
    await api("PATCH", one(), policy);
    $("password").value = "";
    return t("kept");
  });
};
$("forget").onclick = () => {
  if (!confirm(t("Forget {id}, with its transactions, meter values and policy?", { id: chosen }))) return;
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
wireOrders(one, () => chosen, () => refresh());
onTab((name) => {
  history.replaceState(null, "", `#${encodeURIComponent(chosen)}${name === TABS[0] ? "" : `/${name}`}`);
  openTab(name);
});

// Staying up to date

async function refresh() {
  try {
    const search = $("search").value;
    const status = await api("GET", "status");
    $("summary").textContent = `${t("{n} of {all} connected", { n: status.connected, all: status.known })} · ${t("{n} charging", { n: status.open_transactions })} · ${status.address}`;
    if (tokensShown()) {
      await showTokens(status.unknown_tokens);
    } else {
      const list = await api("GET", `charge-points?search=${encodeURIComponent(search)}&limit=${SHOWN}`);
      $("address").textContent = `${status.address}/CHARGER-001`;
      showList(list, search, chosen);
      $("fleet").hidden = chosen !== null || (list.length === 0 && search === "");
      if (chosen === null) showFleet(list);
      else await refreshDetail();
    }
    $("trouble").hidden = true;
  } catch (error) {
    $("trouble").hidden = false;
    $("trouble").textContent = error instanceof TypeError ? t("The CSMS does not answer; it may have stopped.") : error.message;
  }
}

async function refreshDetail() {
  const shown = chosen;
  const [point, orders] = await Promise.all([api("GET", one()), api("GET", "misbehaviours")]);
  if (shown !== chosen) return;
  const formsAreStale = version !== point.ocpp_version || $("detail").hidden;
  showDetail(point);
  showOrders(orders, chosen, refresh);
  if (!formsAreStale) return;
  $("detail").hidden = $("panel").hidden = false;
  keepInSight();
  showMessages(point.charge_point_id, point.frames);
  await buildForms(point);
}

const tokensShown = () => location.hash === "#/tokens";

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a malformed address typed by hand: the page reports that no charge point has this name
  }
}

function choose() {
  const [id, tab] = location.hash.slice(1).split("/");
  const before = chosen;
  chosen = id && !tokensShown() ? decoded(id) : null;
  openTab(TABS.includes(tab) ? tab : TABS[0]);
  if (before !== null && before === chosen) return;
  version = null;
  document.body.classList.toggle("one", chosen !== null || tokensShown());
  $("detail").hidden = $("panel").hidden = true;
  $("side").hidden = tokensShown();
  $("tokens").hidden = !tokensShown();
  $("fleet").hidden = true;
  for (const [link, here] of [[$("to-points"), !tokensShown()], [$("to-tokens"), tokensShown()]]) {
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const output of document.querySelectorAll("output")) output.textContent = "";
  forgetAnswer();
  document.title = `${tokensShown() ? t("Id tokens") : (chosen ?? "CSMS")} · ChargeSentinel`;
  refresh();
}

function zoned() {
  for (const unit of document.querySelectorAll(".zone")) unit.textContent = isLocal() ? t("local") : "UTC";
  refresh();
}

$("search").oninput = refresh;
addEventListener("hashchange", choose);
document.addEventListener("zone", zoned);
speak(preferredLanguage(), choose);
wireBar("csms", (language) => speak(language, () => { version = null; zoned(); }));
zoned();
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
