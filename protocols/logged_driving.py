"""The lines of what is done at a site: by drivers at the workload, by actuators at the power feed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from protocols.logged import AT_ERROR, AT_INFO, AT_WARNING
from protocols.logged_acting import DriverLine
from protocols.logged_party import Count


class DriverFailed(DriverLine):
    """Who acts cannot attach to what it acts upon, observe it, rehearse, or read the checkpoint.

    Attributes:
        detail: What went wrong.
    """

    LEVELS = AT_ERROR

    action: Literal[
        "agent.driver.failed",
        "agent.rehearsal.failed",
        "agent.checkpoint.failed",
        "enforcer.driver.failed",
        "enforcer.rehearsal.failed",
        "enforcer.checkpoint.failed",
    ] = Field(alias="event.action")
    detail: str


class ActionFailed(DriverLine):
    """What was ordered could not be applied; it is tried again a few times.

    Attributes:
        detail: What went wrong.
        attempt: How often it was tried, from 1.
        retry_s: Time until the next try.
    """

    LEVELS = AT_ERROR

    action: Literal["agent.apply.failed", "enforcer.apply.failed"] = Field(alias="event.action")
    detail: str
    attempt: Count
    retry_s: float


class RestoreFailed(DriverLine):
    """The site could not be restored. That is tried until it is, unless the program cannot even start.

    Attributes:
        detail: What went wrong.
        attempt: How often it was tried, from 1; absent if the program cannot start.
        retry_s: Time until the next try; absent if the program cannot start.
    """

    LEVELS = AT_ERROR

    action: Literal["agent.restore.failed", "enforcer.restore.failed"] = Field(alias="event.action")
    detail: str
    attempt: Count | None = None
    retry_s: float | None = None


class StoreFailed(DriverLine):
    """Its store cannot be written. What is not written down is not said, nor done; a stop is obeyed all the same.

    Attributes:
        detail: What went wrong.
    """

    LEVELS = AT_ERROR

    action: Literal["agent.store.failed", "enforcer.store.failed"] = Field(alias="event.action")
    detail: str


class DriverDone(DriverLine):
    """The driver did something to the workload, or undid it.

    Attributes:
        detail: What was done.
    """

    LEVELS = AT_INFO

    action: Literal["driver.applied", "driver.restored"] = Field(alias="event.action")
    detail: str


class Workload(DriverLine):
    """The driver started the workload, or found it running.

    Attributes:
        pid: The process id of its first process.
        means: By what all of its processes are found: `cgroup` or `session`.
    """

    LEVELS = AT_INFO

    action: Literal["workload.attached", "workload.started"] = Field(alias="event.action")
    pid: Count
    means: str


class CgroupRefused(DriverLine):
    """The operating system gives the workload no cgroup of its own; it is enclosed in a session instead.

    Attributes:
        cgroup: Its folder.
        detail: Why.
    """

    LEVELS = AT_WARNING

    action: Literal["workload.cgroup_refused"] = Field(alias="event.action")
    cgroup: str
    detail: str


class FeedAttached(DriverLine):
    """The enforcer looked at the power feed for the first time.

    Attributes:
        detail: What it saw.
    """

    LEVELS = AT_INFO

    action: Literal["feed.attached"] = Field(alias="event.action")
    detail: str


class FeedSwitched(DriverLine):
    """The enforcer cut the power feed, or restored it, by the controller's own account."""

    LEVELS = AT_INFO

    action: Literal["feed.cut", "feed.restored"] = Field(alias="event.action")


class MocksiteDestroyed(DriverLine):
    """A simulated site was destroyed by a decommissioning, and stays so."""

    LEVELS = AT_WARNING

    action: Literal["mocksite.destroyed"] = Field(alias="event.action")


class DestroyedUnsaved(DriverLine):
    """A simulated site was destroyed, and the next start of its process will not know it.

    Attributes:
        detail: Why it could not be written down.
    """

    LEVELS = AT_ERROR

    action: Literal["mocksite.destroyed.unsaved"] = Field(alias="event.action")
    detail: str


AnyDrivingLine = (
    DriverFailed
    | ActionFailed
    | RestoreFailed
    | StoreFailed
    | DriverDone
    | Workload
    | CgroupRefused
    | FeedAttached
    | FeedSwitched
    | MocksiteDestroyed
    | DestroyedUnsaved
)
