"""What a webhook's body looks like: our own notice, or what Slack, PagerDuty and Alertmanager take.

Sources: Slack's incoming webhooks (`text`, with `&`, `<` and `>` escaped); PagerDuty's Events API v2; Alertmanager's
API v2, `POST /api/v2/alerts`.
"""

from __future__ import annotations

import json
from typing import Any

from orchestrator.notify.notices import Notice, NoticeKind, Severity, in_words
from orchestrator.notify.spec import WebhookFormat
from protocols.ids import format_utc, parse_utc, seconds_to_ns

PAGERDUTY_SUMMARY_MAX_CHARS = 1_024
FIRING_S = 86_400.0
"""How long Alertmanager keeps an alert that is not resolved: we tell it once, it wants to be told again and again."""


def body_of(notice: Notice, form: WebhookFormat, *, routing_key: str = "") -> bytes:
    """Return what is sent of a notice.

    Args:
        notice: The notice.
        form: For whom.
        routing_key: PagerDuty's routing key.
    """
    match form:
        case WebhookFormat.HALTDRILL:
            return notice.model_dump_json().encode()
        case WebhookFormat.SLACK:
            return _encoded(_slack(notice))
        case WebhookFormat.PAGERDUTY:
            return _encoded(_pagerduty(notice, routing_key))
        case WebhookFormat.ALERTMANAGER:
            return _encoded(_alertmanager(notice))


def _encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _slack(notice: Notice) -> dict[str, Any]:
    words = in_words(notice).rstrip()
    return {"text": words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def _resolves(notice: Notice) -> bool:
    """Tell whether a notice ends what earlier ones of its drill began."""
    return notice.kind is NoticeKind.ENDED and notice.passed is True


def _subject(notice: Notice) -> str:
    """Return what an incident is kept under: its drill; without one, each notice is its own."""
    return f"haltdrill/{notice.drill or notice.id}"


def _pagerduty(notice: Notice, routing_key: str) -> dict[str, Any]:
    if _resolves(notice):
        return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": _subject(notice)}
    return {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": _subject(notice),
        "payload": {
            "summary": notice.summary[:PAGERDUTY_SUMMARY_MAX_CHARS],
            "source": notice.sites[0].site if notice.sites else notice.plan or "haltdrill",
            "severity": notice.severity.value,
            "timestamp": notice.at,
            "component": "haltdrill",
            "group": notice.plan or "",
            "class": notice.kind.value,
            "custom_details": notice.model_dump(mode="json", exclude={"type", "v"}),
        },
    }


def _alertmanager(notice: Notice) -> list[dict[str, Any]]:
    # One alert for a drill that goes wrong, so that its good end resolves it; what is about no drill stands alone.
    trouble = notice.severity is not Severity.INFO or _resolves(notice)
    name = "HaltdrillDrillTrouble" if notice.drill and trouble else f"Haltdrill{notice.kind.value.title()}"
    labels = {"alertname": name, "severity": "error" if notice.drill and trouble else notice.severity.value}
    labels |= {"drill": notice.drill} if notice.drill else {"notice": notice.id[:16]}
    # All notices about one drill have the same labels, whatever else each of them knows.
    labels |= {"plan": notice.plan} if notice.plan and not notice.drill else {}
    at_ns = parse_utc(notice.at)
    ends_ns = at_ns if _resolves(notice) else at_ns + seconds_to_ns(FIRING_S)
    return [
        {
            "labels": labels,
            "annotations": {"summary": notice.summary, "description": in_words(notice).rstrip()},
            "startsAt": notice.at,
            "endsAt": format_utc(ends_ns),
        }
    ]
