"""`haltdrill lever` and `haltdrill revoke`: stopping everything, and ending a warrant for good."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.common import ExitCode, FleetOption, JsonFlag, fleet_folder, print_json, run_command
from orchestrator.cli.log_files import writable_log
from orchestrator.cli.proving import document_of, open_drills, prove, tell
from orchestrator.cli.screen import Screen
from orchestrator.cli.stopping import Sent, held_stops, lever, revocation, send, signers_of
from orchestrator.fleet.load import LoadedFleet, load_fleet
from orchestrator.fleet.plan import load_plan
from orchestrator.fleet.plan_waves import waves_of
from protocols.envelope import add_signature, open_envelope, parse_envelope
from protocols.errors import ConfigError, TrustError
from protocols.host.clock import SystemClock
from protocols.host.files import read_bytes, write_atomic
from protocols.host.logs import configure
from protocols.limits import ENVELOPE_MAX_BYTES
from protocols.messages import Lever
from protocols.reasons import Reason
from protocols.trust.stops import lever_threshold

lever_app = typer.Typer(no_args_is_help=True, help="The safety lever: stop everything, now, until it is lifted.")

Keys = Annotated[
    list[Path], typer.Option("--key", metavar="KEY", help="A private key; once for each owner.", show_default=False)
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the record.", show_default=False)]
WaitFlag = Annotated[bool, typer.Option("--wait/--no-wait", help="See every site back before the command ends.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.add_typer(lever_app, name="lever")
    app.command("revoke", epilog="Example: haltdrill revoke plans/pause.yaml --reason 'wrong hold' --key KEY")(revoke)


def _loaded(fleet: Path | None, *near: Path) -> LoadedFleet:
    loaded = load_fleet(fleet_folder(fleet, *near), SystemClock().wall_ns())
    configure("orchestrator", path=writable_log(loaded.config, None), level="debug", json=True)
    return loaded


@lever_app.command("engage", epilog="Example: haltdrill lever engage --reason 'smoke in hall 2' --key KEY")
@run_command
def engage(
    *,
    reason: ReasonOption,
    keys: Keys,
    site: Annotated[str | None, typer.Option(metavar="SITE", help="For this site alone.")] = None,
    fleet: FleetOption = None,
    wait: WaitFlag = True,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Stop every drill and have every site restore now; nothing starts until it is lifted.

    Any single approver may, or a site's operator for that site. The sites check it themselves, so it works with the
    orchestrator dead.
    """
    loaded, clock = _loaded(fleet), SystemClock()
    if site is not None and site not in loaded.trust.records:
        raise ConfigError(f"the fleet has no site {site}", where="--site")
    raw = lever(loaded.trust, signers_of(keys), site, reason, None, clock.wall_ns())
    return _stopped(loaded, raw, f"the safety lever was engaged: {reason}", wait=wait, as_json=as_json, site=site)


def _stopped(
    loaded: LoadedFleet, raw: bytes, reason: str, *, wait: bool, as_json: bool, site: str | None = None
) -> ExitCode:
    """Send a stop, and see the sites of every open drill back."""
    console = Screen(stderr=as_json)
    open_now = open_drills(loaded)
    sent = asyncio.run(send(loaded, raw, SystemClock()))
    _say_sent(sent, console)
    # A lever of one site ends no drill: that site comes back by itself, and the drill says when.
    proofs = prove(loaded, open_now, reason, console) if wait and site is None else []
    tell(proofs, console)
    if not open_now:
        console.print("No drill is open.")
    if as_json:
        print_json({"digest": sent.heard.digest, "reached_broker": sent.reached, "drills": document_of(proofs)})
    proved = all(proof.proved for proof in proofs) and sent.reached
    return ExitCode.PASSED if proved else ExitCode.NOT_PASSED


def _say_sent(sent: Sent, console: Screen) -> None:
    said, digest = sent.heard.said, sent.heard.digest
    if isinstance(said, Lever) and said.engaged:
        console.print(f"engaged     {digest}", highlight=False, soft_wrap=True)
        console.print(
            f"to lift it  haltdrill lever disengage {digest[:12]} --key … (once for each owner)", highlight=False
        )
    elif isinstance(said, Lever):
        console.print(f"lifted      {said.disengages}", highlight=False, soft_wrap=True)
    else:
        console.print(f"revoked     {said.warrant}", highlight=False, soft_wrap=True)
    if not sent.reached:
        console.print(f"NOT SENT    {sent.trouble}", style="bold red", highlight=False, soft_wrap=True)
        console.print("It counts for what is started from this folder. Send it again once there is a broker.")


@lever_app.command("disengage", epilog="Example: haltdrill lever disengage 3fa9c1 --key KEY --key KEY")
@run_command
def disengage(
    engagement: Annotated[str, typer.Argument(metavar="ENGAGEMENT", help="Its digest, or how that begins.")],
    *,
    keys: Keys,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "it is safe again",
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where signatures are collected, if the owners are not in one place."),
    ] = None,
    fleet: FleetOption = None,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Lift one engagement of the lever. It takes as many owners as the harshest control.

    It quotes that engagement, so it never lifts a newer one.
    """
    loaded, signers = _loaded(fleet), signers_of(keys)
    held = held_stops(loaded)
    digest = held.find(engagement)
    if file is not None and file.exists():
        raw = read_bytes(file, max_bytes=ENVELOPE_MAX_BYTES).strip()
        if open_envelope(parse_envelope(raw), Lever, loaded.trust.approvers.keys)[0].disengages != digest:
            raise ConfigError("is about another engagement", where=str(file))
        for signer in signers:
            raw = add_signature(parse_envelope(raw), signer)
    else:
        raw = lever(loaded.trust, signers, held.engaged[digest].site, reason, digest, SystemClock().wall_ns())
    if file is not None:
        write_atomic(file, raw)
    console = Screen(stderr=as_json)
    try:
        sent = asyncio.run(send(loaded, raw, SystemClock()))
    except TrustError as error:
        if error.reason != Reason.UNDER_THRESHOLD or file is None:
            raise
        required = lever_threshold(loaded.trust.policy)
        console.print(f"Signed in {file}; it takes {required} owners. The next one runs the same with their key.")
        return ExitCode.NOT_PASSED
    _say_sent(sent, console)
    if as_json:
        print_json({"engagement": digest, "reached_broker": sent.reached})
    return ExitCode.PASSED if sent.reached else ExitCode.NOT_PASSED


@lever_app.command("status")
@run_command
def status(*, fleet: FleetOption = None, as_json: JsonFlag = False) -> ExitCode:
    """Say whether the lever is engaged, as far as this folder knows. Exit code 1 if it is."""
    held = held_stops(load_fleet(fleet_folder(fleet), SystemClock().wall_ns()))
    if as_json:
        engaged = [
            {"engagement": digest, "site": said.site, "reason": said.reason, "issued_at": said.issued_at}
            for digest, said in held.engaged.items()
        ]
        print_json({"engaged": engaged, "revoked": dict(held.revocations), "wrong": dict(held.wrong)})
    else:
        for digest, said in held.engaged.items():
            where = said.site or "every site"
            typer.echo(f"ENGAGED  {digest[:12]}  {where}  since {said.issued_at[:19]}Z: {said.reason}")
        if not held.engaged:
            typer.echo("The lever is not engaged.")
        for warrant, why in held.revocations.items():
            typer.echo(f"revoked  {warrant[:12]}: {why}")
        for path, why in held.wrong.items():
            typer.echo(f"wrong    {path}: {why}")
    return ExitCode.NOT_PASSED if held.engaged else ExitCode.PASSED


@run_command
def revoke(
    what: Annotated[str, typer.Argument(metavar="PLAN|WARRANT", help="A plan, a warrant's file, or a digest.")],
    *,
    reason: ReasonOption,
    keys: Keys,
    fleet: FleetOption = None,
    wait: WaitFlag = True,
    as_json: JsonFlag = False,
) -> ExitCode:
    """End a warrant for good, with all its uses; a drill of it is stopped. Any single approver may.

    Sites that cannot be reached learn of it from the timekeeper's statement, if the policy asks for one.
    """
    path = Path(what)
    loaded = _loaded(fleet, *([path] if path.exists() else []))
    digests = _digests(what, path, loaded)
    code = ExitCode.PASSED
    for digest in digests:
        raw = revocation(loaded.trust, signers_of(keys)[0], digest, reason, SystemClock().wall_ns())
        done = _stopped(loaded, raw, f"its warrant was revoked: {reason}", wait=wait, as_json=as_json)
        code = max(code, done)
    return code


def _digests(what: str, path: Path, loaded: LoadedFleet) -> list[str]:
    """Return the digests of the warrants that are meant.

    Raises:
        ConfigError: It is neither a file nor a digest, or the plan has no warrant yet.
    """
    if path.suffix in {".yaml", ".yml"} and path.exists():
        waves = waves_of(load_plan(path), path, loaded.trust, now_ns=SystemClock().wall_ns())
        files = [wave.warrant for wave in waves if wave.warrant.exists()]
        if not files:
            raise ConfigError("has no warrant, so there is nothing to revoke", where=what)
        return [parse_envelope(read_bytes(file, max_bytes=ENVELOPE_MAX_BYTES).strip()).digest for file in files]
    if path.exists():
        return [parse_envelope(read_bytes(path, max_bytes=ENVELOPE_MAX_BYTES).strip()).digest]
    if len(what) == 64 and set(what) <= set("0123456789abcdef"):  # noqa: PLR2004 - SHA-256 in hex
        return [what]
    raise ConfigError("is no plan, no warrant's file and no digest", where=what, remedy="see haltdrill warrants --json")
