// Indent and colour the text of a frame. Numbers stay as they were sent.

const LONGEST = 60_000;
const DEEPEST = 40;
const TOKEN = /\s*("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{},:])/y;

/** @param {string} kind @param {string} text @returns {Node} */
function inked(kind, text) {
  const span = document.createElement("span");
  span.className = `cs-j-${kind}`;
  span.textContent = text;
  return span;
}

/**
 * The tokens of a text, or null if it is not JSON.
 * @param {string} text @returns {string[] | null}
 */
function tokensOf(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const found = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) found.push(match[1]);
  return found;
}

/**
 * The indented text as [kind, text] pairs; the envelope before the payload stays on one line.
 * @param {string} text @returns {[string, string][]}
 */
export function laidOut(text) {
  if (text.length > LONGEST) return [["", `${text.slice(0, LONGEST)}… ${text.length} characters in all`]];
  const tokens = tokensOf(text);
  if (!tokens) return [["", text]];
  /** @type {[string, string][]} */
  const out = [];
  const outer = tokens[0] === "[" ? 1 : 0;
  /** @type {string[]} */
  const open = [];
  const line = () => (open.length <= outer && outer ? "" : `\n${"  ".repeat(Math.min(DEEPEST, open.length - outer))}`);
  tokens.forEach((token, at) => {
    const [before, after] = [tokens[at - 1], tokens[at + 1]];
    if (token === "{" || token === "[") {
      open.push(token);
      out.push(["", token]);
      if (after !== "}" && after !== "]") out.push(["", line()]);
    } else if (token === "}" || token === "]") {
      open.pop();
      out.push(["", before === "{" || before === "[" || (!open.length && outer) ? token : `\n${"  ".repeat(Math.max(0, open.length - outer))}${token}`]);
    } else if (token === ",") out.push(["", `,${line() || " "}`]);
    else if (token === ":") out.push(["", ": "]);
    else if (token.startsWith('"')) out.push([after === ":" ? "key" : "text", token]);
    else out.push([/^[tfn]/.test(token) ? "word" : "number", token]);
  });
  return out;
}

/** The indented text as coloured nodes. @param {string} text @returns {(Node | string)[]} */
export function jsonView(text) {
  return laidOut(text).map(([kind, part]) => (kind ? inked(kind, part) : part));
}
