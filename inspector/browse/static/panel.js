// The side panel: one tab has the findings of the session, the other the chosen frame, formatted as on its own page.
import { t } from "./words.js";

import { idFrom } from "./steps.js";

// A page over plain HTTP from another machine has no navigator.clipboard, but document.execCommand works there.
const write = async (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("not copied");
};

export const copying = (root) => root.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = async () => {
    // The page has only a part of a large frame: fetch the rest.
    if (button.dataset.from) return (await (await fetch(button.dataset.from)).json()).frame.raw;
    return (root.querySelector(`[data-raw="${button.dataset.copy}"]`) ?? root.querySelector(".readable")).textContent;
  };
  await text().then(write).then(
    () => { button.textContent = t("Copied"); },
    () => { button.textContent = t("Cannot copy"); },
  );
  setTimeout(() => { button.textContent = t("Copy"); }, 1500);
});

export const panel = ({ goto }) => {
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const frame = document.getElementById("frame");
  const frameTab = document.getElementById("tab-frame");
  const open = (tab) => {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
  };
  // On a narrow screen, show a chosen frame as a sheet over the lower half, so that the ladder stays visible.
  const aside = frame.closest("aside");
  const narrow = matchMedia("(max-width: 900px)");
  const sheet = (up) => aside.classList.toggle("sheet", up && narrow.matches);
  narrow.addEventListener("change", () => sheet(false));
  aside.querySelector(".close").addEventListener("click", () => sheet(false));
  for (const [place, tab] of tabs.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = tabs[(place + (event.key === "ArrowRight" ? 1 : tabs.length - 1)) % tabs.length];
      open(other);
      other.focus();
      event.stopPropagation();
    });
  }
  copying(frame);
  aside.addEventListener("click", (event) => {
    const link = event.target.closest("[data-goto]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goto(idFrom(link.dataset.goto));
  });
  let wanted = 0;
  return {
    findings: () => { open(tabs[0]); sheet(false); },
    covered: () => (aside.classList.contains("sheet") ? innerHeight - aside.getBoundingClientRect().top : 0),
    show: async (address, row) => {
      const mine = ++wanted;
      frameTab.textContent = typeof row.id === "number" ? t("Frame #{id}", { id: row.id }) : t("Missing frame");
      open(frameTab);
      sheet(true);
      const answer = await fetch(address);
      const markup = await answer.text();
      if (mine !== wanted) return;
      frame.innerHTML = markup;
      frame.scrollTop = 0;
    },
  };
};
