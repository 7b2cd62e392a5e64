"""What Slack, PagerDuty and Alertmanager are sent, and that our own notice is what its schema says."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from orchestrator.notify.notices import Notice, NoticeKind, Severity, SiteNoticed, in_words
from orchestrator.notify.shapes import body_of
from orchestrator.notify.spec import WebhookFormat
from protocols.controls import Control
from tests.orchestrator.notify.made import notice

SITE = SiteNoticed(site="site-7", step=0, step_name="pause", control=Control.PAUSE, detail="is seen at work")


def body(made: Notice, form: WebhookFormat) -> Any:
    """Return what is sent, read as JSON."""
    return json.loads(body_of(made, form, routing_key="R0UT1NG"))


def test_our_own_notice_validates_against_its_schema_and_reads_back() -> None:
    """The documented body is what is sent."""
    made = notice(sites=(SITE,), sites_total=1)
    sent = body(made, WebhookFormat.HALTDRILL)
    jsonschema.validate(sent, Notice.model_json_schema(mode="serialization"))
    assert Notice.model_validate_json(json.dumps(sent)) == made


def test_slack_gets_text_in_which_nothing_is_a_link_or_a_mention() -> None:
    """A site whose name or words hold Slack's markup cannot page the whole channel."""
    sent = body(notice(summary="<!channel> & <https://evil.example|here>"), WebhookFormat.SLACK)
    assert sent.keys() == {"text"}
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;" in sent["text"]
    assert "<" not in sent["text"]


def test_pagerduty_opens_one_incident_for_a_drill_and_a_good_end_resolves_it() -> None:
    """Loud sites of one drill are one incident, with the fields that Events API v2 requires."""
    drill = "20261128t070000z-quarterly-012345"
    loud = body(notice(drill=drill, sites=(SITE,), sites_total=1), WebhookFormat.PAGERDUTY)
    assert loud["routing_key"] == "R0UT1NG"
    assert loud["event_action"] == "trigger"
    assert loud["payload"]["severity"] in {"critical", "error", "warning", "info"}
    assert loud["payload"]["source"] == "site-7"
    assert {"summary", "source", "severity"} <= loud["payload"].keys()
    bad = body(notice(drill=drill, kind=NoticeKind.ENDED, passed=False), WebhookFormat.PAGERDUTY)
    good = body(notice(drill=drill, kind=NoticeKind.ENDED, passed=True), WebhookFormat.PAGERDUTY)
    assert bad["event_action"] == "trigger"
    assert good["event_action"] == "resolve"
    assert loud["dedup_key"] == bad["dedup_key"] == good["dedup_key"]


def test_alertmanager_gets_an_alert_that_the_good_end_of_its_drill_ends() -> None:
    """Alertmanager knows an alert by its labels: those of the end are those of the trouble, and its end is set."""
    drill = "20261128t070000z-quarterly-012345"
    loud = body(notice(drill=drill), WebhookFormat.ALERTMANAGER)[0]
    good = body(
        notice(drill=drill, kind=NoticeKind.ENDED, passed=True, severity=Severity.INFO), WebhookFormat.ALERTMANAGER
    )[0]
    assert loud["labels"] == good["labels"]
    assert loud["endsAt"] > loud["startsAt"]
    assert good["endsAt"] == good["startsAt"]
    assert all(isinstance(value, str) for value in loud["labels"].values())


def test_words_for_people_name_the_sites_and_how_many_more_there_are() -> None:
    """A mail says first what matters, then each site, then where it belongs."""
    words = in_words(notice(sites=(SITE,), sites_total=9, demo=True))
    assert words.splitlines()[0].startswith("site-7")
    assert "- site-7, pause: is seen at work" in words
    assert "and 8 more" in words
    assert "rehearsal" in words
