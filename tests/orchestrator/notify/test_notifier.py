"""The notifier on virtual time: at least once, no hook held up by another, and nothing lost when it is killed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.logbook.reader import LineFile
from orchestrator.notify.delivery import UndeliveredError
from orchestrator.notify.lookout import TELLING, TELLING_LINES
from orchestrator.notify.notices import Notice, NoticeKind
from orchestrator.notify.notifier import Notifier
from orchestrator.notify.outbox import QUEUE_MAX, Outbox, lock_outbox, read_outbox, write_outbox
from orchestrator.notify.spec import CommandSpec, HooksFile, HookSpec, RetrySpec
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.logs import close, configure, get_logger
from tests.logs import Scenario, rendered, simulate
from tests.orchestrator.notify.made import notice


@dataclass
class Friend:
    """Somebody who can be told, or not."""

    fails: list[UndeliveredError] = field(default_factory=list)
    got: list[Notice] = field(default_factory=list)
    tried: int = 0
    hangs: bool = False

    async def send(self, told: Notice) -> None:
        self.tried += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise self.fails.pop(0)
        self.got.append(told)


@dataclass
class Rig:
    """A notifier with friends, over a folder."""

    folder: Path
    friends: dict[str, Friend]
    attempts: int = 3
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        return self.folder / "haltdrill.log"

    @property
    def own(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "own.log").read_text().splitlines()]

    def make(self) -> Notifier:
        hooks = tuple(
            HookSpec(name=name, command=CommandSpec(argv=("/bin/true",)), **self.specs.get(name, {}))
            for name in self.friends
        )
        config = HooksFile(
            hooks=hooks, gather_s=0.0, retry=RetrySpec(attempts=self.attempts, first_s=0.001, max_s=0.002)
        )
        outbox = read_outbox(self.folder / "state.json")
        lines: LineFile[TELLING_LINES] = LineFile(self.log, TELLING, TELLING_LINES, to_the_end=True)
        if outbox.mark is not None:
            lines.go_to(outbox.mark)
        configure("notifier", path=self.folder / "own.log", json=True)
        return Notifier(config, self.friends, lines, outbox, self.folder / "state.json", SystemClock(), get_logger())

    async def once(self) -> None:
        """Run a notifier over what is in the log now, to its end."""
        notifier = self.make()
        notifier.end()
        await notifier.run()
        close()


def write(path: Path, scenario: Scenario) -> list[str]:
    """Append a drill's log to a file; return its lines."""
    lines = [rendered(line) for line in simulate(scenario)]
    with path.open("a") as file:
        file.writelines(lines)
    return lines


async def test_everybody_is_told_what_they_asked_for(tmp_path: Path) -> None:
    """Hooks are told of their own kinds and plans only; a wave counts as its plan."""
    rig = Rig(tmp_path, {"all": Friend(), "loud": Friend(), "other": Friend()})
    rig.specs = {"loud": {"on": (NoticeKind.LOUD,)}, "other": {"plans": ("monthly",)}}
    write(rig.log, Scenario(sites=20, faults=0.1))
    write(rig.log, Scenario(sites=3, faults=0.0, seed=2, plan="monthly-w2"))
    await rig.once()
    assert {told.kind for told in rig.friends["loud"].got} == {NoticeKind.LOUD}
    assert {told.plan for told in rig.friends["other"].got} == {"monthly-w2"}
    assert {told.kind for told in rig.friends["all"].got} >= {NoticeKind.STARTED, NoticeKind.LOUD, NoticeKind.ENDED}


async def test_a_hook_that_hangs_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One receiver never answers; the other one has everything, and what the first lacks is kept for it."""
    monkeypatch.setattr("orchestrator.notify.notifier.DRAIN_S", 0.2)
    rig = Rig(tmp_path, {"stuck": Friend(hangs=True), "well": Friend()})
    write(rig.log, Scenario(sites=3, faults=0.0))
    await rig.once()
    assert [told.kind for told in rig.friends["well"].got] == [NoticeKind.STARTED, NoticeKind.ENDED]
    assert [told.kind for told in read_outbox(tmp_path / "state.json").waiting["stuck"]] == ["started", "ended"]
    assert rig.own[-1]["event.action"] == "notify.left"
    rig.friends["stuck"].hangs = False
    await rig.once()
    assert [told.kind for told in rig.friends["stuck"].got] == [NoticeKind.STARTED, NoticeKind.ENDED]


async def test_a_failure_is_tried_again_given_up_in_the_end_and_said(tmp_path: Path) -> None:
    """Tries have a bound; what is for good is not tried twice; what was given up is an error in the log."""
    rig = Rig(tmp_path, {"flaky": Friend([UndeliveredError("busy")] * 2), "dead": Friend(), "wrong": Friend()})
    rig.friends["dead"].fails = [UndeliveredError("down")] * 6
    rig.friends["wrong"].fails = [UndeliveredError("404", final=True)] * 2
    write(rig.log, Scenario(sites=3, faults=0.0))
    await rig.once()
    assert len(rig.friends["flaky"].got) == 2
    assert (rig.friends["dead"].tried, rig.friends["wrong"].tried) == (6, 2)
    failed = [line for line in rig.own if line["event.action"] == "notify.failed"]
    assert sorted((line["hook"], line["tries"]) for line in failed) == [
        ("dead", 3),
        ("dead", 3),
        ("wrong", 1),
        ("wrong", 1),
    ]
    assert all(line["log.level"] == "error" for line in failed)


async def test_killed_anywhere_everything_is_told_at_least_once(tmp_path: Path) -> None:
    """The log grows line by line, and the notifier is replaced after each few: no notice is missing at the end."""
    whole = Rig(tmp_path / "whole", {"all": Friend()})
    whole.folder.mkdir()
    lines = write(whole.log, Scenario(sites=12, faults=0.3))
    await whole.once()
    expected = {told.id for told in whole.friends["all"].got if told.kind is not NoticeKind.LOUD}
    sites = {(one.step, one.site) for told in whole.friends["all"].got for one in told.sites}
    broken = Rig(tmp_path / "broken", {"all": Friend()})
    broken.folder.mkdir()
    for start in range(0, len(lines), 17):
        with broken.log.open("a") as file:
            text = "".join(lines[start : start + 17])
            file.write(text[: len(text) // 2])
        await broken.once()
        with broken.log.open("a") as file:
            file.write(text[len(text) // 2 :])
        notifier = broken.make()
        await notifier.look()  # killed before it sent anything, and after it wrote down what to send
        close()
    await broken.once()
    got = broken.friends["all"].got
    assert expected <= {told.id for told in got}
    assert {(one.step, one.site) for told in got for one in told.sites} == sites
    assert len({told.id for told in got}) == len(got)


async def test_a_log_that_is_not_there_yet_is_waited_for_and_said_once(tmp_path: Path) -> None:
    """A notifier may be started before the first drill ever was."""
    rig = Rig(tmp_path, {"all": Friend()})
    notifier = rig.make()
    await notifier.look()
    await notifier.look()
    close()
    assert [line["event.action"] for line in rig.own] == ["notify.log_unreadable"]
    write(rig.log, Scenario(sites=2, faults=0.0))
    await rig.once()
    assert len(rig.friends["all"].got) == 2


def test_what_waits_has_a_bound_and_the_oldest_goes() -> None:
    """A hook that is never reached does not fill the disk; what had to go is returned, to be said."""
    outbox, dropped = Outbox(), []
    for number in range(QUEUE_MAX + 5):
        dropped += outbox.put("dead", notice(id=f"{number:064x}"))
    assert [one.id for one in dropped] == [f"{number:064x}" for number in range(5)]
    assert len(outbox.waiting["dead"]) == QUEUE_MAX
    assert outbox.keep_only(["other"]) == QUEUE_MAX


def test_a_state_that_is_none_is_refused_and_kept(tmp_path: Path) -> None:
    """A file that somebody else wrote is named, and not overwritten."""
    path = tmp_path / "state.json"
    path.write_text('{"v": 2}')
    with pytest.raises(ConfigError, match="notifier"):
        read_outbox(path)
    assert path.read_text() == '{"v": 2}'
    write_outbox(path, Outbox())
    assert read_outbox(path) == Outbox()


async def test_a_log_that_is_rotated_is_read_to_its_end(tmp_path: Path) -> None:
    """Lines that were written between the last look and the renaming are told, and then those of the new file."""
    rig = Rig(tmp_path, {"all": Friend()})
    lines = write(rig.log, Scenario(sites=2, faults=0.0))
    rig.log.write_text("".join(lines[:5]))
    notifier = rig.make()
    await notifier.look()
    with rig.log.open("a") as file:
        file.writelines(lines[5:])
    rig.log.rename(tmp_path / "haltdrill.log.1")
    await notifier.look()
    write(rig.log, Scenario(sites=2, faults=0.0, seed=2))
    await notifier.look()
    close()
    told = [notice.kind for notice in notifier.outbox.waiting["all"]]
    assert told == [NoticeKind.STARTED, NoticeKind.ENDED] * 2


def test_two_notifiers_do_not_tell_everything_twice(tmp_path: Path) -> None:
    """The second one at the same state is refused until the first is gone."""
    unlock = lock_outbox(tmp_path / "state.json")
    with pytest.raises(ConfigError, match="another notifier"):
        lock_outbox(tmp_path / "state.json")
    unlock()
    lock_outbox(tmp_path / "state.json")()


@pytest.mark.parametrize("mark", ['{"head":"zz","offset":0,"number":0}', '{"head":"","offset":-1,"number":0}'])
def test_a_mark_that_is_none_is_one_clear_error(tmp_path: Path, mark: str) -> None:
    """A state that was edited is no reason for a traceback."""
    (tmp_path / "state.json").write_text('{"v":1,"mark":' + mark + "}")
    with pytest.raises(ConfigError):
        read_outbox(tmp_path / "state.json")
