"""Templates: found in the package, escaped always, strict about names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from altinn_notifications.console.metrics_chart import spaced
from altinn_notifications.console.names import SELECTION_NAMES
from altinn_notifications.processing.expiry import OSLO
from altinn_notifications.timestamps import to_wire
from altinn_notifications.tracking.plain_words import Tone, oslo_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from altinn_notifications.console.order_page import LocalPlatform
    from altinn_notifications.settings import GeneralSettings
    from altinn_notifications.tracking.timeline import Entry

TONE_COLORS: Final[Mapping[Tone, str]] = {
    Tone.NEUTRAL: "neutral",
    Tone.ACTIVE: "info",
    Tone.GOOD: "success",
    Tone.CAUTION: "warning",
    Tone.BAD: "danger",
}


class Templates:
    """Renders a page's context by the template of its name."""

    def __init__(self, general: GeneralSettings, local: LocalPlatform | None) -> None:
        self._environment = Environment(
            loader=PackageLoader("altinn_notifications.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "color": TONE_COLORS.__getitem__,
            "wire": to_wire,
            "clock": clock,
            "day": day,
            "moment": oslo_moment,
            "gaps": gaps,
            "spaced": spaced,
        }
        self._environment.globals |= {
            "environment": general.environment.value,
            "local": local,
            "selections": SELECTION_NAMES,
        }

    def render(self, name: str, **context: Any) -> str:
        """The template as text."""
        return self._environment.get_template(name).render(**context)


def clock(moment: datetime) -> str:
    """The time of day on the clocks of Oslo."""
    return f"{moment.astimezone(OSLO):%H:%M:%S}"


def day(moment: datetime) -> str:
    """The day in Oslo, such as `2 Mar 2026`."""
    local = moment.astimezone(OSLO)
    return f"{local.day} {local:%b %Y}"


def gaps(timeline: Sequence[Entry]) -> list[tuple[Entry, str, bool]]:
    """Each line of a timeline with the time since the one before it, and whether it is the first of its day."""
    lines: list[tuple[Entry, str, bool]] = []
    before = None
    for entry in timeline:
        gap = "" if before is None else _gap((entry.at - before.at).total_seconds())
        lines.append((entry, gap, before is None or day(before.at) != day(entry.at)))
        before = entry
    return lines


def _gap(seconds: float) -> str:
    if seconds <= 0:
        return ""
    if seconds < 1:
        return f"+{round(seconds * 1000)} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"+{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"+{minutes} min" if minutes < 120 else f"+{round(minutes / 60)} h"  # noqa: PLR2004 - two hours
