// The page's words in the reader's language, and what to draw again when the language or the time zone changes.
import { preferredLanguage } from "./shared/preferences.js";
import { learn, t, translate } from "./shared/words.js";
import { TURKISH } from "./turkish.js";

/** Says everything in a language from now on; `draw` shows again what scripts have written. */
export function speak(language, draw) {
  document.documentElement.lang = language;
  learn(language === "tr" ? TURKISH : {});
  translate(document);
  draw();
}

export { preferredLanguage, t };
