"""
A report, a run and a call as JSON. Fields may be added, never renamed.

Money is a decimal string of dollars with nine places, null where it is unknown; times are RFC 3339.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

import orjson

from analysis.failure import Failure
from analysis.issue import title
from analysis.reliability import Reliability
from analysis.standing import Standing
from analysis.trend import Trend
from analysis.waste import wasted
from arc_proxy.export.rows import export_call, export_failure, export_run, milliseconds, usd
from arc_proxy.format import Spend
from arc_proxy.journal.fact import rfc3339
from arc_proxy.report.facets import failure_of
from arc_proxy.report.model import AgentReport, Figures, Health, Report, Runs, VersionReport
from arc_proxy.report.project_json import project_spent_json
from arc_proxy.report.savings_json import agent_savings_json
from arc_proxy.report.summary import cost_per_run
from arc_proxy.report.tools import tools_of
from arc_proxy.report.warning_lines import warning_json
from arc_proxy.report.warning_model import AnyWarning
from arc_proxy.store.issues import Issue
from arc_proxy.store.views import CallDetail, CallLine, CallRow, RunDetail, RunTree
from pricing.usage import Usage

_BUCKETS = tuple(each.name for each in fields(Usage) if each.name != "tool_units")


def report_json(report: Report) -> dict[str, Any]:
    return {
        "since": _time(report.since_ns),
        "until": _time(report.until_ns),
        "made_at": _time(report.made_ns),
        "price_book": report.price_book,
        "total": _runs_json(report.runs) | _figures_json(report.total),
        "agents": [_agent_json(agent) for agent in report.agents],
        "models": [
            {"provider": each.provider, "model": each.model} | _figures_json(each.figures)
            for each in report.models
        ],
        "days": [{"day": each.day} | _figures_json(each.figures) for each in report.days],
        "projects": [
            {"project": each.project, "runs": each.runs, "failed_runs": each.failed}
            | _figures_json(each.figures)
            | {"latest_runs": each.spent and project_spent_json(each.spent)}
            for each in report.projects
        ],
        "cost_doubts": [
            {"cost_grade": grade, "reason": reason, "calls": calls} for grade, reason, calls in report.doubts
        ],
        "issues": [issue_json(issue, report.standings.get(issue.key)) for issue in report.issues],
        "warnings": list(map(warning_json, report.warnings)),
        "capture_losses": dict(report.losses),
    }


def issue_json(issue: Issue, found: Standing | None = None) -> dict[str, Any]:
    """An issue with the latest failure of it as its evidence, and what is lately the matter with it."""
    return {
        "issue_id": issue.key,
        "title": title(issue.code, issue.subject, issue.cause),
        "agent": issue.agent,
        "code": str(issue.code),
        "severity": str(issue.severity),
        "subject": issue.subject or None,
        "cause": issue.cause or None,
        "fingerprint": issue.fingerprint,
        "failures": issue.failures,
        "runs": issue.runs,
        "failures_today": issue.recently,
        "first_at": rfc3339(issue.first_ns),
        "last_at": rfc3339(issue.last_ns),
        "standing": found and _standing_json(found),
        "last": {
            "run_id": issue.last_run_id,
            "call_id": issue.last.call_id or None,
            "code": str(issue.last.code),
            "message_index": issue.last.message_index,
            "tool_call_id": issue.last.tool_call_id,
            "field": issue.last.field,
            "evidence": issue.last.evidence,
        },
    }


def _standing_json(found: Standing) -> dict[str, Any]:
    history = found.history
    return {
        "change": found.change and str(found.change),
        "began_at": rfc3339(history.began_ns),
        "began_with_version": found.version,
        "absent_days": history.absent_days,
        "last_day": asdict(history.recent),
        "week_before": asdict(history.before),
        "chance": None if found.chance is None else round(found.chance, 6),
    }


def run_detail_json(detail: RunDetail, warnings: Iterable[AnyWarning] = ()) -> dict[str, Any]:
    """The run as exported, with its calls, what was reported of it, and the runs of its sub-agents."""
    return export_run(detail.run) | {
        "calls_list": [_line_json(line) for line in detail.calls],
        "facts": [{"type": fact.type, "at": rfc3339(fact.at_ns)} | dict(fact.body) for fact in detail.facts],
        "failures_list": list(map(export_failure, detail.failures)),
        "warnings": list(map(warning_json, warnings)),
        "tools": [asdict(tool) for tool in tools_of(detail.last_step)] if detail.last_step else [],
        "parts": list(map(_tree_json, detail.parts)),
    }


def _tree_json(tree: RunTree) -> dict[str, Any]:
    return export_run(tree.run) | {"parts": list(map(_tree_json, tree.parts))}


def call_detail_json(detail: CallDetail) -> dict[str, Any]:
    """The call as exported, with its messages, headers and times of pieces."""
    line, call = detail.line, detail.call
    row = CallRow(
        **{each.name: getattr(line, each.name) for each in fields(line)},
        output_text=call.reply.output_text,
        usage_raw=call.reply.usage,
        tool_calls=call.reply.tool_calls,
        ended_detail=call.ended_detail,
    )
    return export_call(row) | {
        "failure": _failure_json(failure_of(line, call.ended_detail)),
        "method": call.method,
        "target": call.target,
        "url": call.url,
        "ended_detail": call.ended_detail,
        "cost_reason": line.cost_reason,
        "cost_notes": list(call.cost.notes),
        "rate_id": line.rate_id,
        "table_version": line.table_version,
        "messages": [_message(message) for message in call.prompt.messages],
        "parameters": dict(call.prompt.parameters),
        "reply_message": _message(call.reply.message) if call.reply.message else None,
        "request_headers": [list(header) for header in call.request_headers],
        "response_headers": [list(header) for header in call.response_headers],
        "pieces": [{"after_ms": each.after_ns / 1e6, "bytes": each.size} for each in call.chunk_times],
    }


def _message(message: bytes) -> Any:
    try:
        return orjson.loads(message)
    except orjson.JSONDecodeError:
        return message.decode(errors="replace")


def _line_json(line: CallLine) -> dict[str, Any]:
    return {
        "call_id": line.call_id,
        "attempt_of": line.attempt_of,
        "kind": str(line.kind),
        "provider": line.provider,
        "model": line.model or line.model_requested,
        "status": line.status,
        "ended": str(line.ended),
        "finish_reason": line.finish_reason,
        "started_at": rfc3339(line.started_ns),
        "first_byte_ms": milliseconds(line.first_byte_ns),
        "duration_ms": milliseconds(line.duration_ns),
        "input_tokens": None if line.usage_grade == "none" else line.usage.input_tokens,
        "output_tokens": None if line.usage_grade == "none" else line.usage.output_tokens,
        "cost_usd": usd(line.cost_nanousd),
        "cost_grade": str(line.cost_grade),
        "error": line.error and {"type": line.error.type, "message": line.error.message},
        "failure": _failure_json(failure_of(line)),
    }


def _failure_json(failure: Failure | None) -> dict[str, str] | None:
    if failure is None:
        return None
    return {
        "code": str(failure.code),
        "severity": str(failure.severity),
        "evidence": failure.evidence,
        "field": failure.field,
    }


def _agent_json(agent: AgentReport) -> dict[str, Any]:
    swap = agent.swap
    return (
        {"agent": agent.agent, "framework": agent.framework, "version": agent.version}
        | _runs_json(agent.runs)
        | {"cost_per_run_usd": usd(cost_per_run(agent.runs))}
        | _figures_json(agent.figures)
        | {
            "models": list(agent.models),
            "week": {
                "runs": agent.weeks.runs_now,
                "runs_before": agent.weeks.runs_before,
                "cost_per_run": _trend_json(agent.weeks.cost),
                "errors": _trend_json(agent.weeks.errors),
            },
            "reliability": _health_json(agent.health),
            "money_went": _money_json(agent),
            "warnings": list(map(warning_json, agent.warnings)),
            "versions": list(map(_version_json, agent.versions)),
            "savings": agent.savings and agent_savings_json(agent.savings),
            "same_tokens": swap
            and {
                "model": swap.model,
                "instead_of": swap.instead_of,
                "cost_usd": usd(swap.nanousd_after),
                "ratio": round(swap.ratio, 6),
                "price_only": True,
            },
        }
    )


def _version_json(found: VersionReport) -> dict[str, Any]:
    return (
        {"version": found.version, "first_at": rfc3339(found.first_ns), "last_at": rfc3339(found.last_ns)}
        | _runs_json(found.runs)
        | {
            "cost_per_run_usd": usd(cost_per_run(found.runs)),
            "reliability": _reliability_json(found.reliability),
        }
    )


def _reliability_json(found: Reliability) -> dict[str, Any]:
    return {
        "score": round(found.score, 6) if found.observed_share is not None else None,
        "high": round(found.high, 6) if found.observed_share is not None else None,
        "letter": found.letter and str(found.letter),
        "observed_share": None if found.observed_share is None else round(found.observed_share, 6),
        "runs": found.runs,
        "effective_runs": round(found.effective_runs, 3),
        "from_traffic_only": found.is_from_traffic_only,
        "outages": found.outages,
        "cancels": found.cancels,
    }


def _health_json(health: Health | None) -> dict[str, Any] | None:
    if health is None:
        return None
    week = health.week
    return _reliability_json(health.reliability) | {
        "reported_failed": health.reported_failed,
        "with_evidence": health.with_evidence,
        "week": week
        and {
            "difference": round(week.difference, 6),
            "runs": week.runs_now,
            "runs_before": week.runs_before,
            "probability": round(week.probability, 6),
            "arrow": health.arrow and str(health.arrow),
        },
    }


def _money_json(agent: AgentReport) -> dict[str, Any] | None:
    """Of the latest runs: every part, and what of it was wasted."""
    if agent.spent is None or not agent.spent.spend.nanousd:
        return None
    spend = agent.spent.spend
    return {
        "runs": spend.runs,
        "cost_usd": usd(spend.nanousd),
        "unpriced_calls": spend.unknown_calls,
        "parts": [
            {"kind": str(kind), "name": name or None, "cost_usd": usd(nanousd)}
            for (kind, name), nanousd in sorted(spend.parts.items(), key=lambda each: (-each[1], each[0]))
            if nanousd
        ],
        "called": dict(spend.called),
        "waste": [
            {"kind": str(each.kind), "name": each.name, "cost_usd": usd(each.nanousd), "text": each.text}
            for each in wasted(spend)
        ],
    }


def _runs_json(runs: Runs) -> dict[str, Any]:
    return {
        "runs": runs.runs,
        "failed_runs": runs.failed,
        "sub_agent_runs": runs.sub_agents,
        "failed_sub_agent_runs": runs.failed_sub_agents,
        "reported_outcomes": runs.with_outcome,
    }


def _figures_json(figures: Figures) -> dict[str, Any]:
    usage = figures.usage
    return {
        "calls": figures.calls,
        "attempts": figures.attempts,
        "errors": figures.errors,
        "client_closed": figures.client_closed,
        "interrupted": figures.interrupted,
        "cut_captures": figures.cut_captures,
        "unsecured": figures.unsecured,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "tokens": {name: getattr(usage, name) for name in _BUCKETS},
        "first_byte_ms_p50": _rounded(figures.first_byte_ms_p50),
        "latency_ms_p50": _rounded(figures.latency_ms_p50),
        "latency_ms_p95": _rounded(figures.latency_ms_p95),
    } | _spend_json(figures.spend)


def _spend_json(spend: Spend) -> dict[str, Any]:
    return {
        "cost_usd": None if spend.is_unknown else usd(spend.nanousd),
        "priced_calls": spend.priced_calls,
        "unpriced_calls": spend.unpriced_calls,
        "estimated_calls": spend.estimated_calls,
        "partial_calls": spend.partial_calls,
        "api_equivalent_usd": usd(spend.api_equivalent_nanousd),
        "disputed_calls": spend.disputed_calls,
        "cost_usd_low": None if spend.is_unknown else usd(spend.nanousd - spend.less_nanousd),
        "cost_usd_high": None if spend.is_unknown else usd(spend.nanousd + spend.more_nanousd),
        "misreported_calls": spend.misreported_calls,
    }


def _trend_json(trend: Trend | None) -> dict[str, Any] | None:
    if trend is None:
        return None
    return {
        "ratio": round(trend.ratio, 6),
        "probability": round(trend.probability, 6),
        "may_be_chance": trend.may_be_chance,
    }


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 3)


def _time(ns: int | None) -> str | None:
    return None if ns is None else rfc3339(ns)
