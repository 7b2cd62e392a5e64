"""What `haltdrill demo` may remove before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.demo.folder import cleared
from protocols.errors import ConfigError

MARK = ".haltdrill-demo"


def clear(folder: Path) -> None:
    """Make room as a demo does, and end at once."""
    with cleared(folder):
        pass


def test_what_an_earlier_demo_left_makes_room(tmp_path: Path) -> None:
    """The second demo into one folder starts from nothing."""
    folder = tmp_path / "out"
    clear(folder)
    (folder / "fleet" / "keys").mkdir(parents=True)
    (folder / "haltdrill.log").touch()
    clear(folder)
    assert [entry.name for entry in folder.iterdir()] == [MARK]


@pytest.mark.parametrize("marked", [True, False])
def test_what_no_demo_made_is_left_alone(tmp_path: Path, *, marked: bool) -> None:
    """Keys that somebody keeps beside a demo's files are not the demo's to remove."""
    own = tmp_path / "my-fleet" / "root.pem"
    own.parent.mkdir()
    own.touch()
    (tmp_path / "fleet").mkdir()
    if marked:
        (tmp_path / MARK).touch()
    with pytest.raises(ConfigError, match="no demo"):
        clear(tmp_path)
    assert own.exists()
    assert (tmp_path / "fleet").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link in place of the folder, or of what is in it, costs nothing at its other end."""
    other = tmp_path / "other"
    other.mkdir()
    (other / MARK).touch()
    (other / "precious").touch()
    link = tmp_path / "link"
    link.symlink_to(other)
    with pytest.raises(ConfigError, match="no demo"):
        clear(link)
    folder = tmp_path / "out"
    clear(folder)
    (folder / "fleet").symlink_to(other)
    clear(folder)
    assert (other / "precious").exists()
