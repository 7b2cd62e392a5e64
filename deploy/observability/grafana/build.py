"""Builds the two Grafana dashboards beside it: `python deploy/observability/grafana/build.py`.

drills-metrics.json shows what `haltdrill metrics` exposes, drills-logs.json the log in Loki. Change them here
and build them again; a test holds the files equal to this. Needs grafana-foundation-sdk (the extra `test`).
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from logs_board import logs_board
from metrics_board import metrics_board

BOARDS = {"drills-metrics.json": metrics_board, "drills-logs.json": logs_board}


def built(board: Dashboard) -> str:
    """Return a dashboard's file. Panels are numbered, since Grafana wants them to have numbers."""
    made = board.build()
    for number, panel in enumerate(made.panels or [], start=1):
        panel.id_val = number
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(made) + "\n"


def main(folder: Path) -> None:
    """Write both files."""
    for name, make in BOARDS.items():
        (folder / name).write_text(built(make()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
