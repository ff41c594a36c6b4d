"""Hooks of MkDocs: pages from outside docs/, and what the pages of rules need on the site but not on GitHub."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
"""Pages of the site that lie above docs/, where GitHub looks for them."""
FILES = {"shared_page/icon.svg": "icon.svg", "LICENSE": "LICENSE.txt"}
"""Other files of the site that lie above docs/ -> their place in the site."""
FOLDERS = {"deploy/container": "container-files.md", "deploy/systemd": "systemd-files.md"}
"""Folders that pages link to -> the page of the site that shows their files."""
ELSEWHERE = {"README.md": "README.md", **{page: page for page in PAGES}, **FILES, **FOLDERS}
LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".service": "ini", "": "dockerfile"}
"""By the end of a file's name, the language that it is coloured in."""
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
_RULE = re.compile(r"rules/([\w-]+)\.[\w.-]+\.md")
_EXAMPLES = re.compile(r"(?=^## (?:Breaks it|Does not))", re.M)
LISTS_OF_RULES = ("rules/README.md", "rules/coverage.md")
HOME = "README.md"


def on_files(files: Files, config: Any) -> Files:
    """Add the files from above docs/."""
    for source, place in [*((page, page) for page in PAGES), *FILES.items()]:
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for folder, place in FOLDERS.items():
        files.append(File.generated(config, place, content=_shown(folder)))
    return files


def _shown(folder: str) -> str:
    """Return a page with the whole text of each file of a folder."""
    parts = [f"# The files of {folder}"]
    for path in sorted(path for path in (ROOT / folder).rglob("*") if path.is_file()):
        text = path.read_text(encoding="utf-8").rstrip()
        parts.append(f"## {path.relative_to(ROOT / folder)}\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{text}\n````")
    return "\n\n".join([*parts, ""])


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let links of the repository lead to pages of the site, and each rule name its topic."""
    source = page.file.src_uri
    folder = "" if source in PAGES else posixpath.join("docs", posixpath.dirname(source))

    def on_the_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        place = ELSEWHERE.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if place is None:
            return link[1]  # the build fails: this file is not on the site
        return posixpath.relpath(place, posixpath.dirname(source) or ".")

    markdown = _LINK.sub(on_the_site, markdown)
    if rule := _RULE.fullmatch(source):
        markdown = _rule(markdown, rule[1])
    if source == HOME:
        page.meta["hide"] = ["navigation", "toc"]
    if source == "CHANGELOG.md":
        page.meta["search"] = {"boost": 0.2}  # what is new is rarely what somebody looks for
    return markdown


def _rule(markdown: str, topic: str) -> str:
    """Return the page of a rule with a link to its topic, and with what to do before the examples."""
    title, _, rest = markdown.partition("\n")
    body, _, remedy = rest.partition("## Remedy\n")
    facts, *examples = _EXAMPLES.split(body, maxsplit=1)
    parts = [title, f"[Rules](README.md) › [{topic}](README.md#{topic})", facts, f"## What to do\n{remedy}", *examples]
    return "\n\n".join(part.strip("\n") for part in parts)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Keep out of the search what would bury the pages of rules: the frames in their examples, and lists of rules."""
    if _RULE.fullmatch(page.file.src_uri):
        html = html.replace('<div class="highlight">', '<div class="highlight wrapped" data-search-exclude>')
    if page.file.src_uri in LISTS_OF_RULES:
        html = html.replace("<table>", "<table data-search-exclude>")
    return html
