"""The check of log lines that all tests run under: that it finds what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols.host.logs import close, configure, get_logger
from tests.log_checks import check_file, checked_log, checking


@pytest.mark.parametrize(
    ("event", "fields"), [("agent.unheard", {}), ("agent.lying", {"detail": "x", "more": 1}), ("agent.lying", {})]
)
def test_a_line_that_is_not_in_the_catalogue_fails_the_test_that_logged_it(
    tmp_path: Path, event: str, fields: dict[str, object]
) -> None:
    """An unknown event, an unknown field and a missing one are found in a program's log and in a test's own."""
    for log in (_to_nowhere, _to_a_file):
        with (
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(AssertionError, match="not as the event catalogue says"),
            checking(patch),
        ):
            log(event, fields, tmp_path / "log")


def _to_nowhere(event: str, fields: dict[str, object], _path: Path) -> None:
    checked_log("agent", site="alpha").warning(event, **fields)


def _to_a_file(event: str, fields: dict[str, object], path: Path) -> None:
    configure("agent", path=path, json=True)
    get_logger(site="alpha").warning(event, **fields)
    close()


def test_a_level_that_an_event_never_has_is_found(tmp_path: Path) -> None:
    """A line that a reader would filter out, or be woken by, against what the page says."""
    path = tmp_path / "lines"
    configure("agent", path=path, json=True)
    get_logger(site="alpha").warning("agent.lying", detail="it does")
    close()
    good = path.read_text()
    path.write_text(good + "no JSON, of something else\n" + '{"torn": ')
    with pytest.MonkeyPatch.context() as patch:
        with checking(patch):
            check_file(path)
        path.write_text(good.replace('"warning"', '"info"'))
        with pytest.raises(AssertionError, match="never logged at level info"), checking(patch):
            check_file(path)
