"""What the simulation stands on: its event loop, and what it remembers so as to be quick."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

import protocols.envelope
import protocols.keys
from protocols.envelope import open_envelope, seal
from protocols.errors import HaltdrillError
from protocols.keys import PublicKey
from protocols.messages import Challenge, Counter, Order, Signal
from protocols.messages.base import Message
from tests import kit
from tests.simulation.remembered import remembered
from tests.simulation.virtual_loop import StuckError, VirtualClock, run_alone
from tests.simulation.weather import NS, Liar


def test_time_jumps_from_timer_to_timer_and_never_back() -> None:
    """On the virtual loop an hour passes at once, timers fire in order, and a cancelled one never does."""

    async def scenario() -> list[tuple[int, str]]:
        clock, told = VirtualClock(), list[tuple[int, str]]()
        loop = asyncio.get_running_loop()
        for after_s, name in ((2.0, "second"), (1.0, "first"), (3600.0, "last")):
            loop.call_later(after_s, lambda name=name: told.append((clock.boot_ns(), name)))
        loop.call_later(1.5, told.append, (0, "cancelled")).cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.Event().wait()
        told.append((clock.boot_ns(), "timed out"))
        await clock.sleep(7200)
        return told

    seconds = [(at_ns / 1e9, name) for at_ns, name in run_alone(scenario())]
    assert seconds == [(0.5, "timed out"), (1.0, "first"), (2.0, "second"), (3600.0, "last")]


def test_cancelled_timers_do_not_pile_up() -> None:
    """A long run that cancels nearly all of its timers keeps a bounded number of them."""

    async def scenario() -> int:
        loop, most = asyncio.get_running_loop(), 0
        for _ in range(2_000):
            loop.call_later(1e6, print).cancel()
            await asyncio.sleep(0.001)
            most = max(most, len(loop._scheduled))  # type: ignore[attr-defined]
        return most

    assert run_alone(scenario()) <= 110


def test_a_deadlock_is_an_error_and_no_hang() -> None:
    """What waits for something that can never come is told so."""

    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="nothing will ever happen"):
        run_alone(scenario())


def test_what_is_remembered_changes_no_answer() -> None:
    """A right signature stays right and a wrong one wrong, bit by bit, and afterwards everything is as it was."""
    places = [(protocols.keys, "Ed25519PublicKey"), (protocols.envelope, "parse_envelope"), (Message, "decode")]
    before = [vars(owner)[name] for owner, name in places]
    fleet = kit.make_fleet(["alpha"])
    order = fleet.order(fleet.warrant())
    signer = kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))
    with remembered():
        key = PublicKey.load(kit.public_of(kit.dispatcher_label(kit.DISPATCHERS[0])))
        other = PublicKey.load(kit.public_of("stranger"))
        envelope = protocols.envelope.parse_envelope(seal(order, signer))
        ((_, signature),) = envelope.signatures
        bent = bytes([signature[0] ^ 1, *signature[1:]])
        for _ in range(2):
            assert key.verifies(signature, envelope.pae())
            assert not key.verifies(bent, envelope.pae())
            assert not key.verifies(signature, envelope.pae() + b" ")
            assert not other.verifies(signature, envelope.pae())
            assert open_envelope(envelope, Order, {key.key_id: key})[0] == order
            with pytest.raises(HaltdrillError):
                Order.decode(envelope.payload + b" ")
            with pytest.raises(HaltdrillError):
                protocols.envelope.parse_envelope(envelope.raw + b"}")
        assert not any(vars(owner)[name] is was for (owner, name), was in zip(places, before, strict=True))
    assert all(vars(owner)[name] is was for (owner, name), was in zip(places, before, strict=True))


class _Steady:
    """An honest probe of a counter that is always 100 higher."""

    def __init__(self) -> None:
        self._value = 0

    def sample(self, _: Challenge) -> tuple[Signal, ...]:
        self._value += 100
        return (Counter(name="work", epoch="0" * 32, value=self._value),)


def test_a_liar_shows_no_jump_where_its_lie_ends() -> None:
    """A lie for a while cannot be told from the counter: it never falls, and goes on as it truly does."""

    async def scenario() -> list[int]:
        clock = VirtualClock()
        liar = Liar(_Steady(), {"work": 10}, active=True, since_ns=3 * NS, clock=clock, for_ns=2 * NS)
        challenge, shown = kit.make_fleet(["alpha"]).challenge(1), []
        for _ in range(8):
            (signal,) = liar.sample(challenge)
            assert isinstance(signal, Counter)
            shown.append(signal.value)
            await clock.sleep(1)
        return shown

    shown = run_alone(scenario())
    assert shown == [100, 200, 300, 300, 310, 320, 420, 520]
