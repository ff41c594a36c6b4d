"""Check the built site: links and anchors lead somewhere, and no page loads anything from the network.

usage: python -m tools.site_check FOLDER
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {
    *(("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("audio", "src")),
    *(("img", "srcset"), ("source", "srcset"), ("object", "data"), ("embed", "src"), ("use", "href")),
}
"""Attributes from which a browser loads at once."""
LOADING_LINKS = {"stylesheet", "icon", "preconnect", "preload", "dns-prefetch", "modulepreload", "manifest", "prefetch"}
"""Values of `rel` of a <link> that make a browser load or connect."""
NOT_FOUND = "404.html"
"""A server shows this page at any path, so its links begin with a slash; in a folder nothing leads to it."""
_CSS_URL = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


@dataclass
class Page:
    """What one HTML file has: its anchors, its links, and what it loads; each link with its line."""

    anchors: set[str] = field(default_factory=set)
    links: list[tuple[int, str]] = field(default_factory=list)
    loaded: list[tuple[int, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        line = self.getpos()[0]
        self._in_style = tag == "style"
        self.page.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        for name, value in found.items():
            if (tag, name) in LOADING or (tag == "link" and name == "href" and _loads(found)):
                self.page.loaded.append((line, value.split()[0] if name == "srcset" else value))
            elif name == "href" and tag in ("a", "area"):
                self.page.links.append((line, value))
            elif name == "style":
                self.handle_css(line, value)

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.handle_css(self.getpos()[0], data)

    def handle_css(self, line: int, css: str) -> None:
        self.page.loaded += [(line, one or other) for one, other in _CSS_URL.findall(css)]


def _loads(link: dict[str, str]) -> bool:
    return bool(LOADING_LINKS & set(link.get("rel", "").split()))


def check(site: Path) -> list[str]:
    """Return what is wrong with the site in the folder `site`, a sentence for each fault."""
    pages = {path.resolve(): read(path) for path in site.rglob("*.html")}
    faults = [] if pages else [f"{site} has no pages"]
    pages.pop((site / NOT_FOUND).resolve(), None)
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        for line, target in page.loaded:
            faults += [f"{where}:{line} {why}" for why in _of_loaded(path, target)]
        for line, target in page.links:
            faults += [f"{where}:{line} {why}" for why in _of_link(path, target, pages)]
    for path in site.rglob("*.css"):
        for one, other in _CSS_URL.findall(path.read_text(encoding="utf-8")):
            faults += [f"{path.relative_to(site)} {why}" for why in _of_loaded(path, one or other)]
    return faults


def read(path: Path) -> Page:
    """Read a page of the site."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def _of_loaded(path: Path, target: str) -> list[str]:
    parts = urlsplit(target)
    if parts.scheme == "data":
        return []
    if parts.scheme or parts.netloc:
        return [f"loads {target} from the network"]
    if parts.path and not (path.parent / unquote(parts.path)).is_file():
        return [f"loads {target}, which does not exist"]
    return []


def _of_link(path: Path, target: str, pages: dict[Path, Page]) -> list[str]:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return []
    if parts.path.startswith("/"):
        return [f"links to {target}, which a folder does not have"]
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if file.is_dir():
        file /= "index.html"
    if not file.is_file():
        return [f"links to {target}, which does not exist"]
    anchor = unquote(parts.fragment)
    # Material makes the anchor of tabs and of "back to top" while the page runs.
    if anchor and file in pages and anchor not in pages[file].anchors | {"__top"}:
        return [f"links to {target}, but that page has no such anchor"]
    return []


def main() -> int:
    """Print the faults of the site, and return the exit code."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    faults = check(Path(sys.argv[1]))
    for fault in faults:
        print(fault)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
