"""The file of hooks: what is wrong in it is named with its line, and no secret is asked for in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.notify.sending import read_hooks
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock

GOOD = """\
hooks:
  - name: pager
    on: [loud, stopped]
    webhook:
      url: https://events.pagerduty.com/v2/enqueue
      format: pagerduty
      routing_key_file: pager.key
"""


def write(folder: Path, text: str) -> Path:
    """Write a file of hooks, and a secret that it may name."""
    (folder / "pager.key").write_text("0123456789abcdef\n")
    (folder / "pager.key").chmod(0o600)
    path = folder / "hooks.yaml"
    path.write_text(text)
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Secrets lie beside it, in files that only their owner can read."""
    found, senders = read_hooks(write(tmp_path, GOOD), SystemClock())
    assert senders.keys() == {"pager"}
    assert "0123456789abcdef" not in repr(found) + repr(senders)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: pager", "nmae: pager", "hooks.yaml, line 2"),
        ("[loud, stopped]", "[lout]", "hooks.yaml, line 3"),
        ("https://events", "http://events", "hooks.yaml, line 5"),
        ("https://events", "https://me:hush@events", "hooks.yaml, line 5"),
        ("      routing_key_file: pager.key\n", "", "routing_key_file"),
        ("format: pagerduty", "format: slack", "routing_key_file"),
        ("pager.key", "missing.key", "missing.key"),
        ("    webhook:", "    command: {argv: [/bin/true]}\n    webhook:", "one of webhook, email and command"),
        ("    webhook:", "    email: {host: a.example, sender: 'a@b, c@d', to: []}\n    x:", "hooks.yaml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    """One clear error, with the place, and without what is secret."""
    with pytest.raises(ConfigError) as raised:
        read_hooks(write(tmp_path, GOOD.replace(old, new)), SystemClock())
    assert said in str(raised.value)
    assert "hush" not in str(raised.value)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """As with keys: the error says how to put it right."""
    path = write(tmp_path, GOOD)
    (tmp_path / "pager.key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_hooks(path, SystemClock())
