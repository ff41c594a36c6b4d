// Add to Datasette's own pages what screen readers need.
document.documentElement.lang ||= "en";
document.querySelector("section.content")?.setAttribute("role", "main");

const NAMES = { _filter_column: "Column", _filter_op: "Comparison", _filter_value: "Value", _sort: "Sort by", sql: "SQL" };

const complete = () => {
  for (const field of document.querySelectorAll("select, textarea, input:not([type=hidden]):not([type=submit])")) {
    if (field.labels?.length || field.getAttribute("aria-label")) continue;
    const [, kind] = /^(_filter_(?:column|op|value))/.exec(field.name) ?? [null, field.name];
    field.setAttribute("aria-label", NAMES[kind] ?? (field.name || (field.closest(".CodeMirror") ? "SQL" : "Value")));
  }
  for (const box of document.querySelectorAll(".table-wrapper, pre.cs-json")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  }
};
// The SQL editor adds its own field after this script has run.
addEventListener("load", complete);
