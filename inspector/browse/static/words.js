// The texts that scripts add to a page, in the language of the page.
import { learn, t } from "./shared/words.js";
import { TURKISH } from "./turkish.js";

if (document.documentElement.lang === "tr") learn(TURKISH);

export { t };
