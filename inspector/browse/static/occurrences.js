// Occurrences of findings as lists of frames to step through. Knows no page.

// The frames, in their order, on which a rule was broken, or something of a severity ("any" for each) was found.
export const framesOf = (findings, { rule, severity }) => {
  const wanted = findings.filter((each) => each.frame_id !== null
    && (!rule || each.rule_id === rule) && (!severity || severity === "any" || each.severity === severity));
  return [...new Set(wanted.map((each) => each.frame_id))].sort((a, b) => a - b);
};

// Where a frame is in such a list: its number from 1 (null where it is not in it), and the frames before and after.
export const placeIn = (frames, frame) => {
  const at = frames.indexOf(frame);
  return {
    number: at < 0 ? null : at + 1,
    previous: frames.findLast((each) => frame !== null && each < frame) ?? null,
    next: frame === null ? frames[0] ?? null : frames.find((each) => each > frame) ?? null,
  };
};
