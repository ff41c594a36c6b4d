// The comparison: a changed choice submits the form, and the keys n and N go to the next and the previous difference.
const form = document.querySelector(".compare-form");
const list = document.getElementById("sessions");
const base = document.body.dataset.base;
const label = (each) => `${each.ocpp_version ?? "?"} · ${(each.opened ?? "").slice(0, 19).replace("T", " ")} · ${each.frame_count.toLocaleString("en")} frames`;

// The list offers matching sessions of the whole recording; choosing an entry submits the form.
let typed = 0;
form.addEventListener("input", ({ target }) => {
  if (target.type !== "search") return;
  const known = [...list.options].some((option) => option.value === target.value);
  if (known && form.elements.a.value && form.elements.b.value) { form.requestSubmit(); return; }
  clearTimeout(typed);
  typed = setTimeout(async () => {
    const text = target.value.replace(/^#\d*\s*/, "");
    const answer = await fetch(`${base}/-/home.json?q=${encodeURIComponent(text)}`);
    if (!answer.ok) return;
    const options = (await answer.json()).sessions.map((each) => new Option(label(each), `#${each.id} ${each.charge_point_id || "unnamed"}`));
    list.replaceChildren(...options);
  }, 150);
});
form.addEventListener("change", () => {
  if (form.elements.a.value && form.elements.b.value) form.requestSubmit();
});

const rows = [...document.querySelectorAll("tr.differs")];
const which = document.getElementById("which");
let at = -1;
const go = (step) => {
  if (!rows.length) return;
  at = at < 0 && step < 0 ? rows.length - 1 : Math.min(Math.max(at + step, 0), rows.length - 1);
  for (const [place, row] of rows.entries()) row.classList.toggle("current", place === at);
  rows[at].scrollIntoView({ block: "center" });
  rows[at].focus({ preventScroll: true });
  which.textContent = `${at + 1} of ${rows.length}`;
};
document.getElementById("next")?.addEventListener("click", () => go(1));
document.getElementById("previous")?.addEventListener("click", () => go(-1));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  if (event.key === "n") go(1);
  else if (event.key === "N") go(-1);
});

// The minimap shows the places of differences and the visible part of the page; a click scrolls to a place.
const map = document.getElementById("minimap");
const all = [...document.querySelectorAll("table.compare tbody tr")];
map?.addEventListener("click", (event) => {
  const { left, width } = map.getBoundingClientRect();
  all[Math.min(all.length - 1, Math.floor(((event.clientX - left) / width) * all.length))]?.scrollIntoView({ block: "center" });
});
const look = () => {
  const seen = all.map((row, place) => [row.getBoundingClientRect(), place]).filter(([box]) => box.bottom > 0 && box.top < innerHeight);
  const sight = document.getElementById("in-sight");
  sight.setAttribute("x", seen[0]?.[1] ?? 0);
  sight.setAttribute("width", seen.length);
};
if (map) { look(); addEventListener("scroll", () => requestAnimationFrame(look), { passive: true }); }
