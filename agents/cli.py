"""`haltdrill agent`, `haltdrill witness`, `haltdrill enforcer` and `haltdrill mocksite`.

Each imports only its own part: a witness's process holds none of the code that acts, and an enforcer's
none of the drivers. A simulated site alone has all of them in one process. Exit codes: 0 stopped as
asked, 2 bad usage or configuration, 3 the machine failed us.
"""

from __future__ import annotations

from collections.abc import Sequence


def main_agent(argv: Sequence[str]) -> int:
    """Run `haltdrill agent` with the arguments after `agent`, and return its exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    from agents.run_agent import run_agent  # noqa: PLC0415 - see above

    return run_agent(argv)


def main_witness(argv: Sequence[str]) -> int:
    """Run `haltdrill witness` with the arguments after `witness`, and return its exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    from agents.run_witness import run_witness  # noqa: PLC0415 - see above

    return run_witness(argv)


def main_enforcer(argv: Sequence[str]) -> int:
    """Run `haltdrill enforcer` with the arguments after `enforcer`, and return its exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    from agents.run_enforcer import run_enforcer  # noqa: PLC0415 - see above

    return run_enforcer(argv)


def main_mocksite(argv: Sequence[str]) -> int:
    """Run `haltdrill mocksite` with the arguments after `mocksite`, and return its exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    from agents.mocksite.program import run_mocksite  # noqa: PLC0415 - see above

    return run_mocksite(argv)
