"""A small scenario for tests, and changes to it."""

from __future__ import annotations

from orchestrator.tabletop.load import read_scenario
from orchestrator.tabletop.spec import Scenario

TEXT = """\
name: small
title: A small exercise
lesson: A report is no halt.
situation: Two sites, one of which lies.
starts_at: 2026-12-01T09:00:00Z
ends_at_s: 400
roles:
  - name: chief
    title: The chief
    brief: You decide.
objectives:
  - name: notice
    text: The lie is noticed.
    critical: true
  - name: calm
    text: Nobody aborts without need.
fleet:
  groups:
    - region: north
      count: 2
      faults: [lying_agent]
      first_with_faults: 1
drills:
  - name: pause
    title: A pause
    challenge_s: 2
    steps:
      - name: pause
        control: pause
        response_limit_s: 20
        dwell_s: 6
        hold_s: 60
        restore_limit_s: 40
        quorum: 2
        max_gap_s: 6
injects:
  - name: start
    at_s: 10
    to: [chief]
    text: It begins.
    effects:
      - begin: pause
  - name: found
    when: {sites: {are: [contradicted]}}
    text: A site lies.
  - name: press
    by_hand: true
    to: [chief]
    text: A journalist calls.
decisions:
  - name: next
    when: {injected: found, after_s: 5}
    to: chief
    question: What now?
    within_s: 60
    objective: calm
    otherwise: wait
    options:
      - name: wait
        text: Wait for the verdict.
        expected: true
      - name: abort
        text: Abort.
        means: The evidence was given up.
        effects:
          - abort: a site lies
questions:
  - objective: notice
    text: Is the liar named?
    came: {drill: pause, named: 1, verdicts: [contradicted]}
"""


def scenario(*changes: tuple[str, str]) -> Scenario:
    """Return the small scenario, with some of its text replaced."""
    return read_scenario(changed(*changes).encode(), "small.yaml")


def changed(*changes: tuple[str, str]) -> str:
    """Return the small scenario's text, with some of it replaced."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text
