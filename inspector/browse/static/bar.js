// The bar of every page: the key `/` leads to the search box, and switches set time zone, theme and language. Every
// <time>, even one that is added later, is shown in the chosen zone, with both zones on hover.
import { wireBar } from "./shared/bar.js";
import { isLocal, restated } from "./shared/clock.js";

const full = (iso) => new Date(iso).toLocaleString(document.documentElement.lang || undefined, { dateStyle: "medium", timeStyle: "long" });

document.addEventListener("pointerover", ({ target }) => {
  const time = target.closest?.("time[datetime]");
  if (time) time.title = `${full(time.dateTime)}\n${time.dateTime}`;
});

const restate = (root) => {
  for (const time of root.querySelectorAll?.("time[datetime]") ?? []) {
    time.dataset.utc ??= time.textContent;
    const text = isLocal() ? restated(time.dateTime, time.dataset.utc) : time.dataset.utc;
    if (time.textContent !== text) time.textContent = text;
  }
  const local = document.documentElement.lang === "tr" ? "yerel" : "local";
  for (const unit of root.querySelectorAll?.(".zone") ?? []) unit.textContent = isLocal() ? local : "UTC";
};

if (isLocal()) restate(document);
new MutationObserver((changes) => {
  if (!isLocal()) return;
  for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) restate(node.parentElement ?? node);
}).observe(document.documentElement, { childList: true, subtree: true });

document.addEventListener("zone", () => restate(document));
// The server translates the page, so reload it in another language.
wireBar("recordings", () => location.reload());

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, [contenteditable], .CodeMirror")) return;
  const box = document.getElementById("find");
  if (!box) return;
  event.preventDefault();
  box.focus();
  box.select();
});
