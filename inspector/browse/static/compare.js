// The comparison: choices act at once, n and N lead from difference to difference.
const form = document.querySelector(".compare-form");
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
