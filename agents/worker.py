"""A small worker that really computes: what the demo and the tests halt.

It searches for nothing and proves everything: step n of its work is the n-th SHA-256 in a chain from
a fixed seed, so whoever repeats the chain can check that `digest` is the result of `steps` steps, and
that a restart lost and invented nothing. It works in slices with pauses between (`--duty`), or in
bursts (`--pulse-s`); writes its checkpoint whole or not at all, every so often and on SIGTERM, then
exits 0; and begins where its checkpoint ends.

Asked to, it misbehaves as real workloads do:

- `ignore-sigterm`: it must be killed;
- `respawn`: it leaves a child behind that has left its session and whose parent is gone, and that
  computes on, whatever happens to the rest.

Only the standard library is imported, and little of it: it starts in the time that Python takes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

_SEED = bytes(32)
_BATCH_STEPS = 2_000  # about a millisecond: how soon a signal is heeded
_SLICE_S = 0.05
_CHECKPOINT_EVERY_S = 2.0
_NICE = 10
_CHECKPOINT_MAX_BYTES = 4096
_EXIT_USAGE = 2


class Chain:
    """A chain of SHA-256, each of the digest before.

    Args:
        steps: How many steps were done.
        digest: The result of the last of them, or the seed.
    """

    def __init__(self, steps: int = 0, digest: bytes = _SEED) -> None:
        self.steps = steps
        self.digest = digest

    def advance(self, count: int) -> None:
        """Do `count` steps more."""
        digest, sha256 = self.digest, hashlib.sha256
        for _ in range(count):
            digest = sha256(digest).digest()
        self.digest = digest
        self.steps += count

    def save(self, path: Path) -> None:
        """Write the checkpoint, so that it is whole after any crash.

        Raises:
            OSError: It cannot be written.
        """
        temporary = path.with_name(f"{path.name}.new")
        with temporary.open("w", encoding="ascii") as file:
            json.dump({"steps": self.steps, "digest": self.digest.hex()}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Chain:
        """Read a checkpoint, or begin anew where there is none.

        Raises:
            OSError: It is there and cannot be read.
            ValueError: It is no checkpoint.
        """
        try:
            with path.open("rb") as file:
                content = json.loads(file.read(_CHECKPOINT_MAX_BYTES))
        except FileNotFoundError:
            return cls()
        match content:
            case {"steps": int(steps), "digest": str(text)} if steps >= 0 and len(text) == 2 * len(_SEED):
                return cls(steps, bytes.fromhex(text))
            case _:
                raise ValueError("no checkpoint of this worker")


class Pace:
    """When to work and when to rest.

    Args:
        work_s: Seconds of work in a turn.
        rest_s: Seconds of rest after it.
    """

    def __init__(self, work_s: float, rest_s: float) -> None:
        self.work_s = work_s
        self.rest_s = rest_s

    @classmethod
    def of_duty(cls, duty: float) -> Pace:
        """Work that share of the time, in short slices."""
        return cls(_SLICE_S * duty, _SLICE_S * (1 - duty))


class StopRequest:
    """Whether SIGTERM has come; `rest` ends when it does, also if it came just before.

    Args:
        heeded: Whether to heed it at all.
    """

    def __init__(self, *, heeded: bool) -> None:
        self.made = False
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGTERM, self._make if heeded else signal.SIG_IGN)

    def rest(self, limit_s: float) -> None:
        """Wait for `limit_s` seconds or the request."""
        if not self.made:
            select.select([self._woken], [], [], limit_s)

    def _make(self, _number: int, _frame: object) -> None:
        self.made = True


class Worker:
    """Works on a chain at a pace until it is asked to stop.

    Args:
        chain: Where to begin.
        pace: When to rest.
        checkpoint: Where to save, or None to save nothing.
        stop: Tells when to stop.
    """

    def __init__(self, chain: Chain, pace: Pace, checkpoint: Path | None, stop: StopRequest) -> None:
        self._chain = chain
        self._pace = pace
        self._checkpoint = checkpoint
        self._stop = stop
        self._unsaved_s = 0.0

    def run(self) -> None:
        """Work until asked to stop, then save.

        Raises:
            OSError: The checkpoint cannot be written.
        """
        self._save()
        while not self._stop.made:
            self._work_one_turn()
            self._stop.rest(self._pace.rest_s)
            self._unsaved_s += self._pace.work_s + self._pace.rest_s
            if self._unsaved_s >= _CHECKPOINT_EVERY_S:
                self._save()
        self._save()

    def _work_one_turn(self) -> None:
        # A turn is CPU time, not time gone by: what a pause or a busy machine took is not made up for.
        end_s = time.process_time() + self._pace.work_s
        while time.process_time() < end_s and not self._stop.made:
            self._chain.advance(_BATCH_STEPS)

    def _save(self) -> None:
        if self._checkpoint is not None:
            self._chain.save(self._checkpoint)
        self._unsaved_s = 0.0


def main(arguments: list[str] | None = None) -> int:
    """Run the worker.

    Args:
        arguments: The command line without the program's name; the process's own when None.

    Returns:
        0 after SIGTERM, 2 when the checkpoint cannot be used.
    """
    options = _parser().parse_args(arguments)
    try:
        chain = Chain.load(options.checkpoint)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{options.checkpoint}: the checkpoint cannot be used: {error}\n")
        return _EXIT_USAGE
    os.nice(_NICE)
    stop = StopRequest(heeded=options.misbehave != "ignore-sigterm")
    if options.misbehave == "respawn":
        _leave_child_behind(options.pace)
    Worker(chain, options.pace, options.checkpoint, stop).run()
    return 0


def _leave_child_behind(pace: Pace) -> None:
    """Start a process that computes like us, in a session of its own and with no parent of ours."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    Worker(Chain(), pace, None, StopRequest(heeded=False)).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agents.worker", description="Compute until SIGTERM.")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="where to save and resume")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--duty", dest="pace", type=_duty, default=_duty("0.2"), help="share of the time to work, over 0 to 1"
    )
    pace.add_argument(
        "--pulse-s", dest="pace", type=_pulse, metavar="ON,OFF", help="work and rest for these seconds in turn"
    )
    parser.add_argument("--misbehave", choices=("ignore-sigterm", "respawn"), help="what to do wrong")
    return parser


def _duty(text: str) -> Pace:
    duty = float(text)
    if not 0 < duty <= 1:
        raise argparse.ArgumentTypeError("must be over 0 and at most 1")
    return Pace.of_duty(duty)


def _pulse(text: str) -> Pace:
    work_s, _, rest_s = text.partition(",")
    pace = Pace(float(work_s), float(rest_s))
    if pace.work_s <= 0 or pace.rest_s < 0:
        raise argparse.ArgumentTypeError("must be ON,OFF with ON over 0 and OFF at least 0")
    return pace


if __name__ == "__main__":
    sys.exit(main())
