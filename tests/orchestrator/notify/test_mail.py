"""Mails against a real SMTP server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from orchestrator.notify.delivery import UndeliveredError
from orchestrator.notify.mail import Mail
from orchestrator.notify.spec import EmailSpec
from tests.orchestrator.notify.made import DRILL, notice
from tests.orchestrator.stopping.servers import serving


class Post:
    """A post office that refuses whom it is told to."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.refused: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 taken"


@pytest.fixture
async def office() -> AsyncIterator[tuple[Post, int]]:
    """A server, and its port."""
    post = Post()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(post), "127.0.0.1", 0)
    yield post, server.sockets[0].getsockname()[1]
    server.close()


def spec(port: int, **changes: Any) -> EmailSpec:
    """Return a hook that mails to a port of this machine."""
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "drills@example.org",
        "to": ("a@example.org", "b@example.org"),
    }
    return EmailSpec(**given | changes)


async def test_a_mail_arrives_and_says_what_it_must(office: tuple[Post, int]) -> None:
    """Both recipients get one mail with the summary as its subject, in plain text, marked as a machine's."""
    post, port = office
    await Mail(spec(port)).send(notice(drill=DRILL, summary="Stücke: site-7 ist nicht zurück"))
    envelope = post.mails[0]
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=default)
    assert mail["subject"] == "[haltdrill] CRITICAL: Stücke: site-7 ist nicht zurück"
    assert mail["auto-submitted"] == "auto-generated"
    assert str(mail["references"]).startswith("<")
    assert DRILL in str(mail.get_content())
    assert "Plan: quarterly" in str(mail.get_content())


@pytest.mark.parametrize(("answer", "final"), [("550 no such user", True), ("450 try later", False)])
async def test_a_refusal_is_for_good_or_for_now_as_the_server_says(
    office: tuple[Post, int], answer: str, final: bool
) -> None:
    """RFC 5321's 5yz ends it, 4yz is tried again."""
    post, port = office
    post.refused = dict.fromkeys(("a@example.org", "b@example.org"), answer)
    with pytest.raises(UndeliveredError) as raised:
        await Mail(spec(port)).send(notice())
    assert raised.value.final is final


async def test_one_recipient_that_is_refused_is_said_and_the_other_is_not_told_twice(office: tuple[Post, int]) -> None:
    """A mail that some got is not sent again: who did not get it is named."""
    post, port = office
    post.refused = {"b@example.org": "550 no such user"}
    with pytest.raises(UndeliveredError, match=r"b@example\.org") as raised:
        await Mail(spec(port)).send(notice())
    assert raised.value.final
    assert len(post.mails) == 1


async def test_a_server_without_tls_gets_no_mail_that_asked_for_it(office: tuple[Post, int]) -> None:
    """Where STARTTLS was asked for, a server that has none gets nothing: neither mail nor password."""
    post, port = office
    with pytest.raises(UndeliveredError):
        await Mail(spec(port, security="starttls", username="u", password_file="p"), "hush").send(notice())
    assert post.mails == []


async def test_a_server_that_says_nothing_costs_its_time() -> None:
    """A port that takes the connection and is silent is given up in time."""

    async def silent(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(silent) as server:
        with pytest.raises(UndeliveredError, match="did not answer within"):
            await Mail(spec(server.port, timeout_s=0.3)).send(notice())
