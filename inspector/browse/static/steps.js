// The chips of a session: pressed, one filters the ladder, says "2 of 4" and steps through its frames.
import { t } from "./words.js";
import { framesOf, placeIn } from "./occurrences.js";

export const stepper = (box, { goto, pressed, findings, silent }) => {
  let active = null; // { rule, severity } of the pressed chip
  let chosen = null;

  const chips = () => [...box.querySelectorAll("button.chip")];
  const same = (chip) => active !== null && (chip.dataset.rule ?? "") === (active.rule ?? "") && (chip.dataset.severity ?? "") === (active.severity ?? "");
  let list = [];

  // `findings()` are there once the plot has them.
  const show = async () => {
    for (const chip of chips()) chip.setAttribute("aria-pressed", String(same(chip)));
    const found = active ? await findings() : [];
    list = active ? framesOf(found, active) : [];
    const steps = box.querySelector(".steps");
    if (!steps) return;
    steps.hidden = !active || !list.length;
    const chip = chips().find(same);
    if (chip) chip.after(steps);
    const { number, previous, next } = placeIn(list, chosen);
    steps.querySelector("output").textContent = t("{n} of {all}", { n: number ?? "–", all: list.length });
    const [back, on] = steps.querySelectorAll("button");
    [back.disabled, on.disabled] = [previous === null, next === null];
    [back.dataset.frame, on.dataset.frame] = [previous ?? "", next ?? ""];
  };

  box.addEventListener("click", async (event) => {
    const to = event.target.closest(".steps button");
    if (to) { if (to.dataset.frame) goto(Number(to.dataset.frame)); return; }
    const chip = event.target.closest("button.chip");
    if (!chip) return;
    if (same(chip)) { active = null; show(); pressed({}, chosen); return; }
    const wanted = { rule: chip.dataset.rule, severity: chip.dataset.severity };
    const wantedFrames = framesOf(await findings(), wanted);
    // A rule about frames that are missing has nothing to filter by.
    if (!wantedFrames.length && wanted.rule) { silent(wanted.rule); return; }
    active = wanted;
    show();
    pressed(active, wantedFrames[0] ?? null);
  });

  return {
    show: (id) => { chosen = id; show(); },
    press: (what) => { active = what; show(); },
    restore: ({ rule, severity }) => { active = rule ? { rule } : severity ? { severity } : null; show(); },
  };
};
