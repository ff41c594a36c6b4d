// The page of id tokens: list, add, replace and delete them. The CSMS decides whether a token may charge.
import { $, api, element, redraw, say, smallButton, table, when } from "./dom.js";
import { t } from "./words.js";

const COLUMNS = [{ name: "Token" }, { name: "Status" }, { name: "Until" }, { name: "Group" }, { name: "At once" }, { name: "" }];

export async function showTokens(unknown) {
  $("unknown-tokens").textContent = unknown;
  const tokens = await api("GET", "tokens");
  redraw($("token-list"), tokens, () => {
    if (!tokens.length) return [element("p", { className: "quiet", textContent: t("No tokens yet.") })];
    return [table(COLUMNS, tokens.map((token) => {
      const forget = smallButton(t("Forget"), t("Forget {id}", { id: token.id_token }), async () => {
        await api("DELETE", `tokens/${encodeURIComponent(token.id_token)}`);
        showTokens(unknown);
      });
      forget.dataset.key = token.id_token;
      return [token.id_token, token.status, token.expires ? when(token.expires) : t("no limit"), token.parent ?? "", t(token.concurrent ? "several" : "one"), forget];
    }))];
  });
}

$("token").onsubmit = (event) => {
  event.preventDefault();
  const form = event.target;
  const { id, status, expires, parent } = Object.fromEntries(new FormData(form));
  say($("token-kept"), async () => {
    const token = { status, concurrent: form.elements.concurrent.checked };
    if (expires) token.expires = expires;
    if (parent) token.parent = parent;
    await api("PUT", `tokens/${encodeURIComponent(id)}`, token);
    form.reset();
    await showTokens($("unknown-tokens").textContent);
    return t("{id} is {status}", { id, status });
  });
};
