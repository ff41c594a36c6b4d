// The page of a frame: buttons to copy, and the keys j and k for its neighbours.
import { copying } from "./panel.js";

copying(document.querySelector("article.frame"));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const rel = { j: "next", k: "prev" }[event.key];
  if (rel) document.querySelector(`a[rel=${rel}]`)?.click();
});
