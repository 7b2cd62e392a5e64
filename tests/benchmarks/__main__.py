"""`python -m tests.benchmarks`: run the benchmarks and print their tables.

Ratios are what to look at: each floor was measured in the same run on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence

from tests.benchmarks import agent, days, drill, latency, looking, verify
from tests.benchmarks.measure import Table

BENCHMARKS: dict[str, Callable[[str], Awaitable[Table]]] = {
    "drill": drill.run,
    "latency": latency.run,
    "agent": lambda _mosquitto: agent.run(),
    "verify": lambda _mosquitto: verify.run(),
    "looking": lambda _mosquitto: looking.run(),
    "days": lambda _mosquitto: days.run(),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    given = parser.parse_args(argv)
    for name in given.names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}")
    mosquitto = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    if mosquitto is None:
        parser.error("missing component: mosquitto (Debian package mosquitto)")
    tables = []
    for name in given.names or BENCHMARKS:
        table = asyncio.run(BENCHMARKS[name](mosquitto))
        tables.append(table.as_json())
        if not given.json:
            print(table.text(), end="\n\n", flush=True)
    if given.json:
        json.dump(tables, sys.stdout, indent=2)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
