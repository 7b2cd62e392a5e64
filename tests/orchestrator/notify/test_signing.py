"""Signatures of webhooks, held to an implementation that is not ours."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as some
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from orchestrator.notify.signing import read_secret, signature_headers
from protocols.errors import ConfigError

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@given(body=some.text(max_size=200))
def test_a_receiver_that_follows_the_specification_accepts_what_we_sign(body: str) -> None:
    """Standard Webhooks' own library verifies each body that we sign."""
    headers = signature_headers(read_secret(SECRET, "x"), "msg_1", int(time.time()), body.encode())
    import json  # noqa: PLC0415 - only here

    quoted = json.dumps(body)
    headers = signature_headers(read_secret(SECRET, "x"), "msg_1", int(time.time()), quoted.encode())
    assert Webhook(SECRET).verify(quoted, headers) == body


def test_a_receiver_refuses_what_was_changed_or_is_old() -> None:
    """Another body, another id, and a time of ten minutes ago are refused by that library."""
    now, key = int(time.time()), read_secret(SECRET, "x")
    good = signature_headers(key, "msg_1", now, b"{}")
    for body, headers in [
        ("[]", good),
        ("{}", good | {"webhook-id": "msg_2"}),
        ("{}", signature_headers(key, "msg_1", now - 600, b"{}")),
    ]:
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, headers)


def test_a_known_answer() -> None:
    """The example of the specification's reference library gives its signature."""
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "x")
    headers = signature_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "not base64!", "whsec_" + "QUFB" * 40])
def test_a_secret_that_is_none_is_refused_without_being_shown(text: str) -> None:
    """Too short, too long or no base64: the error says how to make one, and holds nothing of it."""
    with pytest.raises(ConfigError) as raised:
        read_secret(text, "hook.secret")
    assert "hook.secret" in str(raised.value)
    assert not text.removeprefix("whsec_") or text not in str(raised.value)
