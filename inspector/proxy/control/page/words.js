// The page's texts in the reader's language, and redrawing when the language changes.
import { preferredLanguage } from "./shared/preferences.js";
import { learn, t, translate } from "./shared/words.js";
import { TURKISH } from "./turkish.js";

/** Use a language from now on; `draw` redraws the parts that scripts have written. */
export function speak(language, draw) {
  document.documentElement.lang = language;
  learn(language === "tr" ? TURKISH : {});
  translate(document);
  document.title = `${t("Control")} · ChargeSentinel`;
  draw();
}

export { preferredLanguage, t };
