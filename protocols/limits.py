"""Limits on everything that comes from outside, in one place.

They are checked before parsing. They are generous for honest use and small enough that a hostile
peer costs bounded memory.
"""

from __future__ import annotations

ENVELOPE_MAX_BYTES = 64 * 1024
"""Largest single envelope (a warrant for a few hundred named sites fits)."""

DOCUMENT_MAX_BYTES = 16 * 1024 * 1024
"""Largest root-signed document (a fleet index of 100,000 sites fits)."""

FRAME_MAX_BYTES = 256 * 1024
"""Largest transport message: one or more envelopes, one a line."""

FRAME_MAX_ENVELOPES = 64
"""Most envelopes in one frame."""

SIGNATURES_MAX = 32
"""Most signatures on one envelope."""

NAME_MAX_CHARS = 63
"""Longest site, owner, witness or signal name (a DNS label)."""

TEXT_MAX_CHARS = 500
"""Longest free text (reasons, titles)."""

STEPS_MAX = 32
"""Most steps in one plan."""

AUDIENCE_MAX_SITES = 1_000
"""Most sites that a warrant names one by one; larger audiences use a selector."""

RUNGS_MAX = 8
"""Most rungs of an escalation ladder, the first control counted."""

CLASSES_MAX = 32
"""Most classes of work that a selective pause protects."""

PROOFS_MAX = 16
"""Most proofs in one receipt."""

BATTERY_MAX = 16
"""Most orders of a refusal battery."""

SIGNALS_MAX = 64
"""Most signals in one reading."""

ORDER_LIFETIME_MAX_S = 120
"""Longest time from an order's issue to its expiry."""

INBOX_MAX_MESSAGES = 20_000
"""Most messages that wait in a transport's inbox; past it the oldest is dropped and counted."""

TOMBSTONES_MAX = 10_000
"""Most tombstones that one site keeps; past it new orders are refused, never obeyed."""
