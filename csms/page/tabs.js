// The tabs of a charge point; the address names the tab, and the arrow keys move between them.
import { $ } from "./dom.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
export const TABS = tabs.map((tab) => tab.getAttribute("aria-controls"));

/** Show one of TABS. */
export function openTab(name) {
  for (const tab of tabs) {
    const on = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !on;
  }
  keepInSight();
}

/** On a phone the list of tabs is wider than the screen: scrolls it to the open one. */
export function keepInSight() {
  const open = tabs.find((tab) => tab.tabIndex === 0);
  open.parentElement.scrollLeft = open.offsetLeft - open.parentElement.offsetLeft - 40;
}

/** Call `choose` with the name of each tab that the operator opens. */
export function onTab(choose) {
  tabs.forEach((tab, at) => {
    tab.onclick = () => choose(TABS[at]);
    tab.onkeydown = ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const to = (at + step + tabs.length) % tabs.length;
      choose(TABS[to]);
      tabs[to].focus();
    };
  });
}
