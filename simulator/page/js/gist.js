// Indents a frame for people who edit it.

/** @param {string} raw */
function readable(raw) {
  try {
    return JSON.stringify(JSON.parse(raw), null, 2);
  } catch {
    return raw;
  }
}
