// The chips of a session: a pressed chip filters the ladder, shows "2 of 4" and steps through the places of its findings.
import { folding } from "./fold.js";
import { placeIn, placesOf } from "./occurrences.js";
import { t } from "./words.js";

export const idFrom = (text) => (/^\d+$/.test(text) ? Number(text) : text);

export const stepper = (box, { goto, pressed, findings, unmarked }) => {
  let active = null; // { rule, severity } of the pressed chip
  let chosen = null;

  const chips = () => [...box.querySelectorAll("button.chip")];
  const same = (chip) => active !== null && (chip.dataset.rule ?? "") === (active.rule ?? "") && (chip.dataset.severity ?? "") === (active.severity ?? "");
  let list = [];
  const fold = folding(box);

  // `findings()` waits for the data of the plot.
  const show = async () => {
    for (const chip of chips()) chip.setAttribute("aria-pressed", String(same(chip)));
    const found = active ? await findings() : [];
    list = active ? placesOf(found, active) : [];
    const steps = box.querySelector(".steps");
    if (!steps) return;
    fold();
    steps.hidden = !active || !list.length;
    const chip = chips().find(same);
    if (chip) chip.after(steps);
    const { number, previous, next } = placeIn(list, chosen);
    // Several occurrences may be at one place.
    const several = chip && Number(chip.dataset.count ?? list.length) !== list.length;
    steps.querySelector("output").textContent = t(several ? "{n} of {all} places" : "{n} of {all}", { n: number ?? "–", all: list.length });
    const [back, on] = steps.querySelectorAll("button");
    [back.disabled, on.disabled] = [previous === null, next === null];
    [back.dataset.to, on.dataset.to] = [previous ?? "", next ?? ""];
    fold();
  };

  box.addEventListener("click", async (event) => {
    const to = event.target.closest(".steps button");
    if (to) { if (to.dataset.to) goto(idFrom(to.dataset.to)); return; }
    const chip = event.target.closest("button.chip");
    if (!chip) return;
    if (same(chip)) { active = null; show(); pressed({}, chosen?.id ?? null); return; }
    const wanted = { rule: chip.dataset.rule, severity: chip.dataset.severity };
    const places = placesOf(await findings(), wanted);
    // In a session with very many findings, the plot only marks the worst ones, so the places of others are unknown.
    if (!places.length && wanted.rule) { unmarked(wanted.rule); return; }
    active = wanted;
    show();
    pressed(active, places[0]?.id ?? null);
  });

  return {
    // `one` is the chosen { id, ms }.
    show: (one) => { chosen = one; show(); },
    press: (what) => { active = what; show(); },
    restore: ({ rule, severity }) => { active = rule ? { rule } : severity ? { severity } : null; show(); },
  };
};
