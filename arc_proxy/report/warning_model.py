"""The kinds of early warnings that a report has."""

from __future__ import annotations

from analysis.budget_eta import BudgetEta
from analysis.context_eta import ContextEta
from analysis.limit_eta import LimitEta
from analysis.retirement import Retirement
from analysis.step_growth import StepGrowth

AnyWarning = ContextEta | LimitEta | BudgetEta | Retirement | StepGrowth
