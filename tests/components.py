"""Components that tests need and pip cannot install: found, or their absence said aloud."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NO_SKIP = "HALTDRILL_NO_SKIP"
_ALSO_IN = ("/usr/sbin", "/usr/local/sbin", "/sbin")


def require(program: str, *, package: str) -> str:
    """Return where `program` is; skip the test without it, or fail it where skips are not allowed.

    Args:
        program: The executable's name.
        package: The Debian package that brings it.
    """
    # PostgreSQL's programs lie in a folder for each of its versions: the newest first.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_ALSO_IN, *map(str, versions)])
    found = shutil.which(program, path=path)
    if found is not None:
        return found
    complaint = f"missing component: {program} (Debian package {package}); `make test` as root installs it"
    if os.environ.get(NO_SKIP) == "1":
        pytest.fail(complaint, pytrace=False)
    pytest.skip(complaint)
