"""The examples of hooks are right, and the schema of a notice is what is sent."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from orchestrator.notify.notices import Notice
from orchestrator.notify.sending import read_hooks
from protocols.host.clock import SystemClock

FOLDER = Path(__file__).parents[2] / "deploy" / "notify"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: str(re.search(r"name: (\S+)", text)[1]))
def test_an_example_is_right(text: str, tmp_path: Path) -> None:
    """Each example is read as it stands, with its secrets beside it."""
    for name in re.findall(r"_file: (\S+)", text):
        secret = {
            "slack.url": "https://hooks.slack.com/services/T0/B0/x",
            "webhook.secret": "whsec_" + base64.b64encode(bytes(32)).decode(),
        }.get(name, "0123456789")
        (tmp_path / name).write_text(secret + "\n")
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "hooks.yaml"
    path.write_text(text.replace("/usr/local/bin/siren", "/bin/true"))
    found, senders = read_hooks(path, SystemClock())
    assert [hook.name for hook in found.hooks] == list(senders)


def test_there_is_an_example_of_each_way_and_format() -> None:
    """What people already have is shown."""
    names = {re.search(r"name: (\S+)", text)[1] for text in EXAMPLES}  # type: ignore[index]
    assert names == {"ours", "slack", "pagerduty", "alertmanager", "mail", "siren"}


def test_the_schema_is_that_of_the_model() -> None:
    """What receivers are told to expect is what is sent."""
    kept = json.loads((FOLDER / "notice.schema.json").read_text())
    assert kept == Notice.model_json_schema(mode="serialization")
