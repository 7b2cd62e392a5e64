"""Every error haltdrill raises on purpose, as one tree.

::

    HaltdrillError
    ├── UntrustedInput            bytes from outside are wrong; the program lives on
    │   ├── EnvelopeError         not a DSSE envelope, or a signature that is not right
    │   ├── MessageError          a payload that is not the message it claims to be
    │   └── TrustError            well-formed and well-signed, but not authorised
    ├── ConfigError               a person's file, flag or plan is wrong (exit code 2)
    └── WorldError                the machine or the network failed us (exit code 3)
        ├── TransportError        the broker is away, or took too long
        ├── JournalError          the journal cannot be read or appended to
        ├── StoreError            an agent's own disk cannot be read or written
    │   └── StoreBusy         another process uses it
        ├── DriverError           the actuator did not do what it was told
        ├── ProbeError            the observation could not be made
        └── ChildError            a child process (broker, workload) did not start or died

Each says *what* is wrong, *where*, and *what to do about it*; `str(error)` is the one clear line
that a person reads. A fourth kind of wrong, a bug of our own, is an assertion and is not here.
"""

from __future__ import annotations


class HaltdrillError(Exception):
    """The root of the tree.

    Args:
        what: What is wrong, as a short clause.
        where: The file, line, topic, field or item it is wrong at; empty when there is none.
        remedy: What the reader can do about it; empty when there is nothing to be done.
    """

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        way_out = f" ({self.remedy})" if self.remedy else ""
        return f"{place}{self.what}{way_out}"


class UntrustedInput(HaltdrillError):
    """Bytes from outside that are wrong until proved right."""

    exit_code = 2


class EnvelopeError(UntrustedInput):
    """The bytes are no DSSE envelope of ours, or one of its signatures is wrong."""


class MessageError(UntrustedInput):
    """The payload is not the message that its type claims."""


class TrustError(UntrustedInput):
    """Well formed, but the authority behind it does not suffice.

    Args:
        reason: A stable machine-readable word (see `protocols.reasons.Reason`).
        what: The same for people.
    """

    def __init__(self, reason: str, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.reason = reason


class ConfigError(HaltdrillError):
    """A person's file, flag or plan is wrong."""

    exit_code = 2


class WorldError(HaltdrillError):
    """The machine or the network failed us; the caller may retry with a bound."""


class TransportError(WorldError):
    """The broker is away, refused us, or took too long."""


class JournalError(WorldError):
    """The journal cannot be read or appended to."""


class StoreError(WorldError):
    """An agent's or a witness's own disk cannot be read or written."""


class StoreBusy(StoreError):
    """Another process uses this store."""


class DriverError(WorldError):
    """The actuator did not do what it was told."""


class ProbeError(WorldError):
    """The observation could not be made."""


class ChildError(WorldError):
    """A child process did not start, or died."""
