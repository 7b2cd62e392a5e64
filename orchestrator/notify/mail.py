"""Tells somebody by mail, over SMTP (RFC 5321)."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from orchestrator.notify.delivery import UndeliveredError, network_reason
from orchestrator.notify.notices import Notice, in_words, notice_id
from orchestrator.notify.spec import EmailSpec

PERMANENT_FROM = 500
"""RFC 5321, section 4.2.1: a reply of 5yz is for good, one of 4yz for now."""


@dataclass(slots=True)
class Mail:
    """Sends a notice as a mail.

    Attributes:
        spec: As configured.
        password: To log in with; empty logs in as nobody.
        tls: How the server proves who it is; by default by the certificates that this machine trusts.
    """

    spec: EmailSpec
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    async def send(self, notice: Notice) -> None:
        """Send it once.

        Raises:
            UndeliveredError: The server took it for nobody, or there is none.
        """
        spec = self.spec
        try:
            async with asyncio.timeout(spec.timeout_s):
                refused, _ = await aiosmtplib.send(
                    message_of(notice, spec),
                    sender=spec.sender,
                    recipients=list(spec.to),
                    hostname=spec.host,
                    port=spec.port,
                    username=spec.username,
                    password=self.password or None,
                    use_tls=spec.security == "tls",
                    start_tls=spec.security == "starttls",
                    tls_context=None if spec.security == "none" else self.tls,
                    timeout=spec.timeout_s,
                )
        except TimeoutError:
            raise UndeliveredError(f"{spec.host} did not answer within {spec.timeout_s:g} s") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            final = _final({one.code for one in error.recipients})
            raise UndeliveredError(f"{spec.host} takes no mail for {', '.join(spec.to)}", final=final) from None
        except aiosmtplib.SMTPResponseException as error:
            raise UndeliveredError(f"{spec.host} answered {error.code}", final=_final({error.code})) from None
        except (aiosmtplib.SMTPException, ssl.SSLError, OSError, ValueError) as error:
            raise UndeliveredError(
                f"{spec.host} could not be used: {network_reason(error, type(error).__name__)}"
            ) from None
        if refused:
            # Those whom it took have it: another try would tell them twice.
            raise UndeliveredError(f"{spec.host} takes no mail for {', '.join(sorted(refused))}", final=True)


def _final(codes: set[int]) -> bool:
    """Tell whether an answer is for good: RFC 5321's 5yz."""
    return min(codes, default=0) >= PERMANENT_FROM


def message_of(notice: Notice, spec: EmailSpec) -> EmailMessage:
    """Return a notice as a mail (RFC 5322). Mails about one drill hang together; none is answered by a machine."""
    mail = EmailMessage()
    mail["From"] = spec.sender
    mail["To"] = ", ".join(spec.to)
    mail["Subject"] = f"[haltdrill] {notice.severity.value.upper()}: {notice.summary}"
    mail["Date"] = format_datetime(datetime.fromisoformat(notice.at))
    domain = spec.sender.rpartition("@")[2]
    mail["Message-ID"] = f"<{notice.id}@{domain}>"
    if notice.drill is not None:
        # Short, since a long one would be encoded, and mails of one drill no longer hang together.
        mail["References"] = f"<{notice_id(notice.drill)[:24]}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(in_words(notice))
    return mail
