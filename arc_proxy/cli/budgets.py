"""Budgets, from the settings and through the supervisor's file."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from analysis.budget import Budgets
from arc_proxy.cli.instance import ConsoleUnreachable, ask_console, find_instance
from arc_proxy.format import NANOUSD_PER_USD

if TYPE_CHECKING:
    from arc_proxy.cli.folder import Folder
    from arc_proxy.settings import Settings


def budgets_in_force(folder: Folder, environ: Mapping[str, str]) -> Budgets:
    """Those of the `serve` that runs, which may be flags of its own, else of the settings. ConfigError."""
    from arc_proxy.settings import load_settings

    instance = find_instance(folder)
    if instance is not None:
        try:
            status = ask_console(instance, folder, "GET", "/_arc/api/status")
            return read_budgets(status["budgets_nanousd"])
        except (ConsoleUnreachable, KeyError):
            pass  # a console that starts, or an older one
    return budgets_of(load_settings(folder.path, {}, environ).settings)


def budgets_of(settings: Settings) -> Budgets:
    return Budgets(
        per_run=_nanousd(settings.budget_per_run_usd),
        per_agent={name: int(usd * NANOUSD_PER_USD) for name, usd in settings.budget_per_agent_usd.items()},
        per_day=_nanousd(settings.budget_per_day_usd),
    )


def budgets_json(budgets: Budgets) -> dict[str, Any]:
    return {"per_run": budgets.per_run, "per_agent": dict(budgets.per_agent), "per_day": budgets.per_day}


def read_budgets(values: Mapping[str, Any]) -> Budgets:
    """What `budgets_json` made."""
    return Budgets(**values)


def _nanousd(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd * NANOUSD_PER_USD)
