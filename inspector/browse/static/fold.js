// Hide chips that do not fit into one line (two lines on a phone) behind a button with their number.
import { t } from "./words.js";

const narrow = matchMedia("(max-width: 720px)");

export const folding = (box) => {
  let open = false;
  const fold = () => {
    const more = box.querySelector("button.more-chips");
    if (!more) return;
    const chips = [...box.querySelectorAll("button.chip")];
    for (const chip of chips) chip.hidden = false;
    box.classList.toggle("open", open);
    more.setAttribute("aria-expanded", String(open));
    more.hidden = true;
    const lines = () => new Set([...box.children].filter((each) => each.offsetHeight).map((each) => Math.round((each.offsetTop + each.offsetHeight / 2) / 8))).size;
    const most = narrow.matches ? 2 : 1;
    if (lines() <= most) return;
    more.hidden = false;
    more.textContent = t("show fewer");
    if (open) return;
    let folded = 0;
    // Never hide the first chip and the pressed one.
    for (const chip of chips.slice(2).reverse()) {
      if (chip.getAttribute("aria-pressed") === "true") continue;
      chip.hidden = true;
      folded += 1;
      more.textContent = t("+ {n} more", { n: folded });
      if (lines() <= most) break;
    }
    more.hidden = !folded;
  };
  box.addEventListener("click", (event) => {
    if (!event.target.closest("button.more-chips")) return;
    open = !open;
    fold();
  });
  let width = 0;
  new ResizeObserver(() => { if (box.clientWidth !== width) { width = box.clientWidth; fold(); } }).observe(box);
  return fold;
};
