"""All targets, by name."""

from __future__ import annotations

from tests.hostile.targets import evidence, kept, looked, wire, written
from tests.hostile.targets.base import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (*wire.TARGETS, *written.TARGETS, *kept.TARGETS, *evidence.TARGETS, *looked.TARGETS)
}
"""Every target."""
