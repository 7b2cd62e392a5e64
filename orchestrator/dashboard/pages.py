"""The page's files, read once from the package: nothing that a request says is ever part of a path."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One file."""

    body: bytes
    media_type: str


def load_pages() -> dict[str, Page]:
    """Return the files by their names."""
    found = {}
    for entry in files("orchestrator.dashboard").joinpath("static").iterdir():
        media_type = TYPES.get("." + entry.name.rpartition(".")[2])
        if media_type is not None:
            found[entry.name] = Page(entry.read_bytes(), media_type)
    return found
