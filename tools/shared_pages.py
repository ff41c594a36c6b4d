"""Copy the shared files of all pages from `shared_page/` into the packages that serve pages.

`python -m tools.shared_pages` writes the copies; `tests/test_shared_pages.py` fails if one is not up to date. The CSMS
page and the browse pages load the scripts as modules. The simulator page also works as a file, from which a browser
loads no modules: there each script becomes one constant with the exports of the module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "shared_page"
COPIES = {
    "inspector/browse/static/shared": (
        *("tokens.css", "bar.css", "frames.css", "icon.svg", "theme.js", "preferences.js", "clock.js", "bar.js"),
        *("words.js", "frame_row.js"),
    ),
    "csms/page/shared": (
        *("tokens.css", "bar.css", "frames.css", "icon.svg", "theme.js", "preferences.js", "clock.js", "bar.js"),
        *("words.js", "frame_row.js", "frame_summary.js", "json_view.js", "elements.js", "form.js"),
        *("controls.css", "forms.css"),
    ),
    "inspector/proxy/control/page/shared": (
        *("tokens.css", "bar.css", "icon.svg", "theme.js", "preferences.js", "clock.js", "bar.js", "words.js"),
        *("json_view.js", "elements.js", "form.js", "controls.css", "forms.css", "frames.css"),
    ),
    "simulator/page/shared": (
        *("tokens.css", "bar.css", "frames.css", "icon.svg", "theme.js", "preferences.js", "clock.js", "bar.js"),
        *("frame_row.js", "frame_summary.js", "json_view.js"),
    ),
}
"""Folder -> the files of `shared_page/` that the pages in it use."""

_IMPORT = re.compile(r'^import (?P<what>.+?) from "\./(?P<module>\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) \*?(?P<name>\w+))", re.MULTILINE)


def copies() -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each copy."""
    for folder, names in COPIES.items():
        for name in names:
            text = (SOURCE / name).read_text(encoding="utf-8")
            if folder.startswith("simulator") and name.endswith(".js"):
                text = as_constant(name.removesuffix(".js"), text)
            yield ROOT / folder / name, text


def as_constant(name: str, module: str) -> str:
    """Return a module as a plain script that defines one constant: `clock.js` becomes `const clock = …`."""
    names = [found["name"] for found in _EXPORT.finditer(module)]
    if not names:
        return module  # a plain script already
    head, body = module.split("\n", 1)
    body = _IMPORT.sub(lambda found: f"const {found['what']} = {constant(found['module'])};", body)
    body = _EXPORT.sub("", body).strip("\n")
    return f"{head}\nconst {constant(name)} = (() => {{\n{body}\n\nreturn {{ {', '.join(names)} }};\n}})();\n"


def constant(name: str) -> str:
    """Return the name of a script's constant: frame_row -> frameRow."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def write() -> None:
    for path, text in copies():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
