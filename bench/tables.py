"""Renews single tables of docs/benchmarks.md."""


def renewed(page: str, title: str, table: str) -> str:
    """Return the page with another table in place of the one that begins with `title`."""
    before, found, rest = page.partition(title)
    if not found:
        before, _, rest = page.partition("- *calls/s*")
        return f"{before}{table}\n\n- *calls/s*{rest}"
    return before + table + "\n\n" + rest.partition("\n\n")[2]
