"""What may stand under `stop_when`: URLs that hide nothing, thresholds that can be met, tokens that stay secret."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.stopping.asking import query_url
from orchestrator.stopping.spec import (
    CommandCheck,
    CountedSites,
    HttpCheck,
    PrometheusQuery,
    SitesAre,
    SteadyWork,
    StopCondition,
    shown_url,
    split_url,
)
from orchestrator.stopping.words import stop_text


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "file:///etc/passwd",
        "a.example/x",
        "http://",
        "http:///x",
        "http://user:password@a/",
        "http://user@a/",
        "http://a/#x",
        "http://a b/",
        "http://a/\r\nX: y",
        "http://a/\x1b",
        "http://ä/",
        "http://a:0/",
        "http://a:99999/",
        "http://a:x/",
        "http://[::1",
    ],
)
def test_only_plain_urls_may_be_asked(url: str) -> None:
    """No other scheme, no password in a URL, no character that could end a line: said when the plan is checked."""
    with pytest.raises(ValidationError):
        HttpCheck(url=url)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_urls(text: str) -> None:
    """Any text is a URL or is refused with a sentence."""
    for url in (text, f"http://{text}", f"https://a/{text}"):
        try:
            shown = shown_url(url)
        except ValueError:
            continue
        assert shown.isprintable()
        assert split_url(url).hostname


def test_a_token_travels_only_where_nobody_can_read_it() -> None:
    """With a token, a server that is not this machine is asked over https."""
    for url in ("https://a.example/", "http://127.0.0.1:9090", "http://localhost/", "http://[::1]/"):
        assert HttpCheck(url=url, token_file="/etc/token").token_file == "/etc/token"
    for url in ("http://a.example/", "http://127.0.0.1.example/", "http://10.0.0.1/"):
        with pytest.raises(ValidationError, match="https only"):
            HttpCheck(url=url, token_file="/etc/token")
        with pytest.raises(ValidationError, match="https only"):
            PrometheusQuery(url=url, token_file="/etc/token", query="up", breach_under=1)


@pytest.mark.parametrize(
    ("model", "fields", "why"),
    [
        (CountedSites, {"are": "contradicted"}, "either at_most or at_most_share"),
        (CountedSites, {"are": "contradicted", "at_most": 1, "at_most_share": 0.1}, "either at_most or at_most_share"),
        (PrometheusQuery, {"url": "http://p", "query": "up"}, "breach_over or breach_under"),
        (PrometheusQuery, {"url": "http://p", "query": "up", "breach_over": 1.0, "breach_under": 2.0}, "every number"),
        (PrometheusQuery, {"url": "http://p?a=b", "query": "up", "breach_over": 1.0}, "query already"),
        (CommandCheck, {"argv": ("true",)}, "absolute path"),
        (CommandCheck, {"argv": ()}, "at least 1"),
        (CommandCheck, {"argv": ("/bin/a", "b\0")}, "NUL"),
        (StopCondition, {"name": "a"}, "exactly one of"),
        (
            StopCondition,
            {"name": "a", "steady": SteadyWork(), "http": HttpCheck(url="http://a")},
            "exactly one of",
        ),
        (StopCondition, {"name": "a", "steady": SteadyWork(window_s=30.0)}, "grace_s must be over window_s"),
    ],
)
def test_what_could_never_be_right_is_refused(model: type[Any], fields: dict[str, Any], why: str) -> None:
    """A condition that says nothing, or two things, or what can never hold, is no condition."""
    with pytest.raises(ValidationError, match=why):
        model(**fields)


def test_a_share_is_of_the_drills_sites() -> None:
    """A tenth of thirty sites is three: the fourth is the breach, whatever floats make of a tenth."""
    counted = CountedSites(are=SitesAre.REFUSED, at_most_share=0.1)
    assert counted.allowed(30) == 3
    assert counted.allowed(5) == 0.5


def test_a_query_is_asked_as_it_is_written() -> None:
    """What PromQL is made of arrives whole, below the path of a server behind a gateway too."""
    query = PrometheusQuery(url="https://m.example/prom/", query='sum(x{a="b&c"}) > 1', breach_over=0)
    assert query_url(query) == (
        "https://m.example/prom/api/v1/query?query=sum%28x%7Ba%3D%22b%26c%22%7D%29+%3E+1&timeout=5s"
    )


def test_conditions_are_said_in_words() -> None:
    """Whoever reads the plan sees what ends it, without the parts of a URL that are nobody else's business."""
    conditions = [
        StopCondition(name="liars", sites=CountedSites(are=SitesAre.CONTRADICTED, at_most_share=0.1)),
        StopCondition(name="stuck", sites=CountedSites(are=SitesAre.NOT_RESTORED, at_most=1), grace_s=0.0),
        StopCondition(name="kept", steady=SteadyWork(workload="evals", sites=("a", "b"))),
        StopCondition(
            name="errors", prometheus=PrometheusQuery(url="http://p:9090", query="e", breach_over=5, breach_under=0.5)
        ),
        StopCondition(name="api", http=HttpCheck(url="https://a/h?key=secret", expect=(200, 204)), every_s=1.0),
        StopCondition(name="script", command=CommandCheck(argv=("/bin/check", "--token=x"))),
    ]
    usual = " (looked at every 5 s; may be unknown for 30 s)"
    assert list(stop_text(conditions)) == [
        "liars: more than 10 % of the sites are contradicted (looked at every 5 s; may be unknown for 30 s)",
        "stuck: more than 1 site is not restored (looked at every 5 s; may be unknown for no time at all)",
        f"kept: work of class evals leaves its load band at a or b, over 5 s{usual}",
        f"errors: the query e yields a number over 5 or under 0.5, at http://p:9090{usual}",
        "api: https://a/h answers anything but 200 or 204 (looked at every 1 s; may be unknown for 30 s)",
        "script: /bin/check ends with anything but 0 (looked at every 5 s; may be unknown for 30 s)",
        "the first of them releases every site at once, and nothing more is ordered",
        "nothing is ordered before each that is asked outside the drill has said once that all is well",
    ]
    assert list(stop_text([])) == []
