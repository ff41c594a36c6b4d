// Occurrences of findings as lists to step through, for any page. The id of an occurrence is the number of its frame, or
// for a missing frame the finding and a number: "m12.3".

export const idOf = (each) => each.frame_id ?? `m${each.finding_id}.${each.number}`;

// The places, in the order of time, with findings of a rule or of a severity ("any" for all severities).
export const placesOf = (findings, { rule, severity }) => {
  const wanted = findings.filter((each) => (!rule || each.rule_id === rule) && (!severity || severity === "any" || each.severity === severity));
  const found = new Map(wanted.map((each) => [idOf(each), { id: idOf(each), ms: each.ms }]));
  return [...found.values()].sort((a, b) => a.ms - b.ms || (a.id > b.id ? 1 : -1));
};

// The place of a chosen { id, ms } in a list of places: its number from 1 (null if it is not in it), and its neighbours.
export const placeIn = (places, chosen) => {
  const at = places.findIndex((each) => each.id === chosen?.id);
  const before = (each) => each.ms < chosen.ms || (each.ms === chosen.ms && each.id < chosen.id);
  return {
    number: at < 0 ? null : at + 1,
    previous: (at >= 0 ? places[at - 1] : chosen && places.findLast(before))?.id ?? null,
    next: (at >= 0 ? places[at + 1] : chosen ? places.find((each) => !before(each)) : places[0])?.id ?? null,
  };
};
