"""Fuzzes every way in: `python -m tests.hostile.fuzz --target plan --seconds 60`, or `--all`.

With `atheris` (the extra `fuzz`) it is guided by coverage of our own packages; without, the same targets
run with the same changes, unguided, and that is said. What fails is written to a folder and the fuzzing
goes on; each kind of failure is written once. The exit code is 1 if anything failed.

    --target NAME   one target; may be given several times
    --all           all targets; `--seconds` is then shared out evenly
    --seconds N     how long, in all
    --findings DIR  where failing inputs go, and what was learnt (default: fuzz-findings)
    --engine WORD   atheris, plain, or auto (the default)
    --distil N      instead of fuzzing: put up to N of what was learnt into the corpus, by the lines they reach
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the targets are imported late, so that atheris can watch what they import
    from tests.hostile.targets.base import Target

CORPUS = Path(__file__).parent / "corpus"
PACKAGES = ("protocols", "orchestrator", "agents")
INPUT_MAX_BYTES = 64 * 1024
STORED_MAX_BYTES = 6_000
MEMORY_MAX_MB = 1_500
HANG_S = 30
NICE_SEED = 20_261_126


def corpus_of(name: str) -> list[bytes]:
    """Return a target's stored inputs, in a fixed order."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*")) if path.is_file()]


class Findings:
    """What failed, each kind once, and how much was tried.

    Args:
        target: What is fuzzed.
        folder: Where failing inputs go.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._folder = folder / "failed" / target.name
        self._seen: set[str] = set()
        self.executions = 0
        self.began_s = time.monotonic()

    @property
    def count(self) -> int:
        """How many kinds of failure there were."""
        return len(self._seen)

    def run(self, data: bytes) -> None:
        """Try one input."""
        self.executions += 1
        try:
            self._target.run(data)
        except Exception as error:
            self._note(data, error)

    def _note(self, data: bytes, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if "/tests/" not in frame.filename), frames[-1])
        kind = hashlib.sha256(f"{type(error).__name__} {last.filename} {last.lineno}".encode()).hexdigest()[:12]
        if kind in self._seen:
            return
        self._seen.add(kind)
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{kind}.input").write_bytes(data)
        (self._folder / f"{kind}.txt").write_text("".join(traceback.format_exception(error)), errors="replace")
        print(f"FAILED {self._target.name} {kind}: {type(error).__name__}: {str(error)[:200]!a}", flush=True)

    def report(self, engine: str) -> dict[str, Any]:
        """Return the figures."""
        return {
            "target": self._target.name,
            "engine": engine,
            "executions": self.executions,
            "seconds": round(time.monotonic() - self.began_s, 1),
            "failures": self.count,
        }


def _learnt(folder: Path, name: str) -> Path:
    place = folder / "learnt" / name
    place.mkdir(parents=True, exist_ok=True)
    return place


def _quiet() -> None:
    logging.disable(logging.CRITICAL)


def fuzz_plain(target: Target, seconds: float, folder: Path, seed: int) -> dict[str, Any]:
    """Change good and stored inputs at random for some time; with zero seconds only try what is stored."""
    findings, rng = Findings(target, folder), Random(seed)
    pool = [*target.seeds(), *corpus_of(target.name)]
    for data in pool:
        findings.run(data)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        findings.run(target.mutate(rng.choice(pool), rng)[:INPUT_MAX_BYTES])
    return findings.report("plain")


def _fuzz_guided(name: str, seconds: float, folder: Path, seed: int) -> None:
    """Let atheris change inputs, guided by coverage. It ends the process, after saying the figures."""
    import atheris  # noqa: PLC0415 - optional

    with atheris.instrument_imports(include=list(PACKAGES), enable_loader_override=False):
        from tests.hostile.targets import TARGETS  # noqa: PLC0415 - watched
    _quiet()
    target = TARGETS[name]
    learnt = _learnt(folder, name)
    # Before libFuzzer reads its folders, so that good inputs are in there whatever it knows already.
    for data in (*target.seeds(), *corpus_of(name)):
        (learnt / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    findings = Findings(target, folder)

    def change(data: bytes, max_bytes: int, number: int) -> bytes:
        rng = Random(number)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(data, max_bytes))
        return target.mutate(data, rng)[:max_bytes]

    def say(until_s: float = time.monotonic() + seconds) -> None:
        if time.monotonic() >= until_s:
            print("FIGURES " + json.dumps(findings.report("atheris")), flush=True)
            os._exit(0)

    def try_one(data: bytes) -> None:
        findings.run(data)
        say()

    options = [
        f"-max_len={INPUT_MAX_BYTES}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={MEMORY_MAX_MB}",
        f"-seed={seed}",
        "-verbosity=0",
        f"-artifact_prefix={folder}/",
        str(learnt),
    ]
    atheris.Setup([sys.argv[0], *options], try_one, custom_mutator=change)
    atheris.Fuzz()


def _in_child(name: str, seconds: float, folder: Path, seed: int) -> dict[str, Any]:
    """Fuzz one target in a process of its own, and return its figures."""
    given = [sys.executable, "-m", "tests.hostile.fuzz", "--child", name, "--seconds", str(seconds)]
    given += ["--findings", str(folder), "--seed", str(seed)]
    began_s = time.monotonic()
    with (folder / f"{name}.log").open("w+") as log:
        ended = subprocess.run(given, stdout=log, stderr=subprocess.STDOUT, check=False)
        log.seek(0)
        said = log.read().splitlines()
    for line in said:
        if line.startswith("FIGURES "):
            figures: dict[str, Any] = json.loads(line.removeprefix("FIGURES "))
            return figures
    # It never came to its end: a hang, or more memory than it may have; libFuzzer left the input behind.
    last = said[-1][:200] if said else ""
    took_s = round(time.monotonic() - began_s, 1)
    return {
        "target": name, "engine": "atheris", "executions": -1, "seconds": took_s, "failures": 1,
        "ended": ended.returncode, "said": last,
    }  # fmt: skip


def _reached(target: Target, data: bytes) -> set[tuple[str, int]]:
    """Return the lines of our packages that an input reaches."""
    root = str(Path(__file__).parents[2])
    ours = tuple(f"{root}/{package}/" for package in PACKAGES)
    lines: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(ours):
            return None
        lines.add((name, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        target.check(data)
    except Exception:  # noqa: S110 - failures are found elsewhere
        pass
    finally:
        sys.settrace(before)
    return lines


def distil(target: Target, folder: Path, most: int) -> int:
    """Put the smallest learnt inputs that reach lines nothing else reaches into the corpus; return how many."""
    known: set[tuple[str, int]] = set()
    for data in (*target.seeds(), *corpus_of(target.name)):
        known |= _reached(target, data)
    added = 0
    place = CORPUS / target.name
    learnt = [path.read_bytes() for path in _learnt(folder, target.name).iterdir()]
    for data in sorted(learnt, key=lambda data: (len(data), data)):
        if added >= most or len(data) > STORED_MAX_BYTES:
            break
        new = _reached(target, data) - known
        if new:
            known |= new
            added += 1
            place.mkdir(parents=True, exist_ok=True)
            (place / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return added


def _options(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.hostile.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--all", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60.0, help=argparse.SUPPRESS)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help=argparse.SUPPRESS)
    parser.add_argument("--engine", choices=("auto", "atheris", "plain"), default="auto", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=NICE_SEED, help=argparse.SUPPRESS)
    parser.add_argument("--distil", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def _names(options: argparse.Namespace, known: Sequence[str]) -> list[str]:
    names = list(known) if options.all else options.target
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        wrong = f"there is no target {unknown[0]}; " if unknown else "name a target, or all with --all; "
        sys.exit(f"{wrong}targets are: {', '.join(known)}")
    return names


def main(given: Sequence[str] | None = None) -> int:
    """Fuzz as the command line says."""
    options = _options(sys.argv[1:] if given is None else given)
    folder = options.findings.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if options.child:
        _fuzz_guided(options.child, options.seconds, folder, options.seed)
    from tests.hostile.targets import TARGETS  # noqa: PLC0415 - not before atheris watches

    names = _names(options, sorted(TARGETS))
    if options.distil:
        for name in names:
            print(f"{name}: {distil(TARGETS[name], folder, options.distil)} put into the corpus")
        return 0
    guided = options.engine != "plain" and importlib.util.find_spec("atheris") is not None
    if options.engine == "atheris" and not guided:
        sys.exit("atheris is not installed: pip install 'haltdrill[fuzz]'")
    if not guided:
        print("without atheris (pip install 'haltdrill[fuzz]'): inputs are changed at random, not guided by coverage")
    _quiet()
    share_s = options.seconds / len(names)
    failures = 0
    for name in names:
        figures = (
            _in_child(name, share_s, folder, options.seed)
            if guided
            else fuzz_plain(TARGETS[name], share_s, folder, options.seed)
        )
        failures += figures["failures"]
        print(json.dumps(figures), flush=True)
    print(f"{failures} kinds of failure" + (f"; their inputs are in {folder / 'failed'}" if failures else ""))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
