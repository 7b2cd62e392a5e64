"""Tests of the page's files: what they hold, and that they hold nothing that could run anything else."""

from __future__ import annotations

import re

import pytest

from orchestrator.dashboard.pages import load_pages

PAGES = {name: page.body.decode() for name, page in load_pages().items()}
SCRIPTS = {name: text for name, text in PAGES.items() if name.endswith(".js")}
HTML = {name: text for name, text in PAGES.items() if name.endswith(".html")}


def test_the_files_are_in_the_package() -> None:
    """A wheel without them would serve nothing."""
    assert {"index.html", "login.html", "page.css", "main.js", "icon.svg"} <= PAGES.keys()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_nothing_comes_from_elsewhere(name: str) -> None:
    """No file names another origin, so the page works on a machine that reaches nothing."""
    found = set(re.findall(r"(?:https?:)?//[a-z0-9][a-z0-9.-]+\.[a-z]{2,}", PAGES[name]))
    assert found <= {"http://www.w3.org"}, found  # the name of SVG's namespace; nothing is fetched from it


@pytest.mark.parametrize("name", sorted(HTML))
def test_html_holds_no_code_and_no_style(name: str) -> None:
    """The strict policy would block it, and a hole in the policy would not be noticed."""
    text = HTML[name]
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_text_never_becomes_markup(name: str) -> None:
    """What a log says is only ever set as text."""
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"style\""
    assert not re.search(forbidden, SCRIPTS[name])


def test_every_element_that_a_script_wants_is_there() -> None:
    """A renamed id breaks a page silently."""
    ids = {found for text in HTML.values() for found in re.findall(r'\bid="([^"]+)"', text)}
    wanted = {found for text in SCRIPTS.values() for found in re.findall(r'byId\("([^"]+)"\)', text)}
    assert wanted - ids == set()


def test_every_import_is_a_file_of_ours() -> None:
    """A module that is not shipped would leave an empty page."""
    wanted = {found for text in SCRIPTS.values() for found in re.findall(r'from "\./([^"]+)"', text)}
    assert wanted - SCRIPTS.keys() == set()
