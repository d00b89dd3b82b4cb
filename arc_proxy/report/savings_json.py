"""Cheaper models as JSON. Fields may be added, never renamed; money is a decimal string of dollars."""

from __future__ import annotations

from typing import Any

from analysis.advice import Option
from arc_proxy.export.rows import usd
from arc_proxy.journal.fact import rfc3339
from arc_proxy.report.savings_model import AgentSavings, ModelSavings, Savings


def savings_json(savings: Savings) -> dict[str, Any]:
    return {
        "since": None if savings.since_ns is None else rfc3339(savings.since_ns),
        "until": None if savings.until_ns is None else rfc3339(savings.until_ns),
        "made_at": rfc3339(savings.made_ns),
        "price_book": savings.price_book,
        "agents": list(map(agent_savings_json, savings.agents)),
    }


def agent_savings_json(found: AgentSavings) -> dict[str, Any]:
    return {
        "agent": found.agent,
        "retiring": [{"model": each.model, "retires": each.retires.isoformat()} for each in found.retiring],
        "models": list(map(_model_json, found.models)),
    }


def _model_json(found: ModelSavings) -> dict[str, Any]:
    use, spent = found.use, found.spent
    return {
        "model": spent.model,
        "provider": spent.provider,
        "dialect": spent.dialect,
        "calls": spent.calls,
        "cost_usd": usd(spent.nanousd) if spent.calls > 0 else None,
        "trouble": found.trouble or None,
        "days": len(use.days) if use else 0,
        "missing_calls": use.calls_missing if use else None,
        "missing_days": use.days_missing if use else None,
        "envelope": {
            "sampled_requests": use.envelope.sampled,
            "input_tokens_max": use.envelope.input_tokens_max,
            "output_tokens_max": use.envelope.output_tokens_max,
            "output_limit_max": use.envelope.output_limit_max,
            "needs": sorted(map(str, use.envelope.needs)),
        }
        if use
        else None,
        "options": list(map(_option_json, found.options)),
    }


def _option_json(option: Option) -> dict[str, Any]:
    found = option.projection
    return {
        "model": option.candidate.name,
        "provider": option.candidate.provider,
        "dialect": option.candidate.dialect,
        "is_advice": option.is_advice,
        "needs_code_change": option.needs_code,
        "price_only_ratio": round(option.price_change, 6),
        "token_ratio": dict(zip(("low", "mid", "high"), option.ratio, strict=True)) if option.ratio else None,
        "ruled_out_by": list(option.fit.against) if option.fit else None,
        "not_known": list(option.fit.unknown) if option.fit else None,
        "projection": {
            "ratio": round(found.change, 6),
            "ratio_low": round(found.change_low, 6),
            "ratio_high": round(found.change_high, 6),
            "ratio_cold_cache": round(found.change_cold, 6),
            "month_before_usd": usd(found.before),
            "month_before_low_usd": usd(found.before_low),
            "month_before_high_usd": usd(found.before_high),
            "month_after_usd": usd(found.after),
            "is_replayed": False,
        }
        if found
        else None,
    }
