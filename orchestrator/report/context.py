"""What a report is rendered from beside the drill's own result. All of it is optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from orchestrator.evidence.result import DrillResult

NOT_LOOKED = "This report was rendered without a journal, so no earlier drill was looked for."


@dataclass(frozen=True, slots=True)
class Context:
    """What a report says that is not in the drill's result.

    Attributes:
        previous: The last drill of the same plan before this one, to compare with.
        alone: Where there is no previous drill: why not, as a sentence.
        regions: Each site's region, by its signed record; a site without one is not in it.
    """

    previous: DrillResult | None = None
    alone: str = NOT_LOOKED
    regions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


NO_CONTEXT = Context()
