"""Sites that went wrong, counted and named."""

from __future__ import annotations

from collections import Counter

from orchestrator.logbook.standing import Standing
from orchestrator.logbook.views import DrillView
from orchestrator.metrics.families import Families
from orchestrator.metrics.trouble import LISTED_MAX, LOUDEST_FIRST, expose_trouble
from tests.logs.scenario import PREFLIGHT_NS
from tests.orchestrator.metrics.exposed import Exposed, exposed
from tests.orchestrator.watch.told import drill_of


def _of(drill: DrillView) -> Exposed:
    out = Families()
    expose_trouble(drill, out)
    return exposed(out)


def test_a_drill_that_goes_well_has_zeros() -> None:
    """Where nothing is wrong that is said, for every control that is exercised and may be, and no site is named."""
    found = _of(drill_of(sites=6, faults=0))
    assert found.by("standing", "drill_trouble_sites", control="pause") == dict.fromkeys(LOUDEST_FIRST, 0)
    controls = {dict(labels)["control"] for labels in found.series("drill_trouble_sites")}
    assert controls == {"pause", "shutdown", "power_cut"}
    assert found.series("site_trouble") == {}
    assert found.value("site_trouble_omitted") == 0


def test_every_way_of_going_wrong_is_counted_and_named() -> None:
    """What the verdicts say of sites is what is counted, and each such site has a series with its cause."""
    drill = drill_of(sites=60, faults=0.3)
    found = _of(drill)
    wrong = {
        site.site: result for site in drill.sites.values() for result in site.results.values() if not result.passed
    }
    counted: Counter[str] = Counter()
    for labels, value in found.series("drill_trouble_sites").items():
        counted[dict(labels)["standing"]] += int(value)
    assert +counted == Counter(result.verdict for result in wrong.values())
    assert found.by("site", "site_trouble").keys() == wrong.keys()
    for labels in found.series("site_trouble"):
        one = dict(labels)
        assert one["standing"] == wrong[one["site"]].verdict
        assert one["cause"] == (wrong[one["site"]].cause or "")
        assert one["region"] == drill.sites[one["site"]].region


def test_a_lie_is_counted_while_the_drill_runs() -> None:
    """Nobody waits for the verdict to be paged."""
    drill = drill_of(PREFLIGHT_NS / 1e9 + 15, sites=60, faults=0.3)
    assert drill.closed is None
    assert _of(drill).value("drill_trouble_sites", control="pause", standing=Standing.CONTRADICTED) == 2


def test_trouble_stays_when_the_next_step_begins() -> None:
    """An alert does not end because the next step began."""
    loud = Standing.CONTRADICTED
    first = _of(drill_of(60.0, sites=60, steps=2, faults=0.3))
    drill = drill_of(90.0, sites=60, steps=2, faults=0.3)
    assert drill.running == 1
    assert drill.counts[loud] == 0
    wanted = first.value("drill_trouble_sites", control="pause", standing=loud)
    assert wanted
    assert _of(drill).value("drill_trouble_sites", control="pause", standing=loud) == wanted


def test_at_most_a_hundred_sites_are_named() -> None:
    """A drill in which everything goes wrong floods no Prometheus; the loudest come first, the rest is counted."""
    drill = drill_of(sites=300, faults=1)
    found = _of(drill)
    named = found.series("site_trouble")
    wrong = sum(found.series("drill_trouble_sites").values())
    assert len(named) == LISTED_MAX
    assert found.value("site_trouble_omitted") == wrong - LISTED_MAX
    contradicted = sum(found.series("drill_trouble_sites", standing="contradicted").values())
    assert sum(dict(labels)["standing"] == "contradicted" for labels in named) == contradicted
