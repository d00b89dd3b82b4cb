"""Where inference is promised to stay costs more, and is read from where the call went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.report.traffic import messages, write_har

MODEL = "claude-sonnet-4-5@20250929"
VERTEX = "aiplatform.googleapis.com/v1/projects/p/locations"
# URL -> what it adds, per mille.
URLS = {
    f"https://{VERTEX}/global/publishers/anthropic/models/{MODEL}:rawPredict": 1000,
    f"https://us-east5-{VERTEX}/us-east5/publishers/anthropic/models/{MODEL}:rawPredict": 1100,
    f"https://europe-west1-{VERTEX}/europe-west1/publishers/anthropic/models/{MODEL}:rawPredict": 1100,
}


@pytest.mark.parametrize(("url", "permille"), URLS.items())
def test_a_region_adds_to_the_price(arc, tmp_path: Path, url: str, permille: int) -> None:
    entry = messages("regional", "r-1", days_ago=0.1, model=MODEL)
    entry["request"]["url"] = url
    arc("import", write_har(tmp_path / "region.har", [entry]))
    [row] = map(json.loads, arc("export", "calls").out.splitlines())
    # 1,000 tokens at $3 a million and 400 at $15.
    assert (row["cost_grade"], row["cost_usd"]) == ("computed", f"{0.009 * permille / 1000:.9f}")


def test_the_region_stays_when_calls_are_priced_again(arc, tmp_path: Path) -> None:
    entry = messages("regional", "r-1", days_ago=0.1, model=MODEL)
    entry["request"]["url"] = list(URLS)[1]
    arc("import", write_har(tmp_path / "region.har", [entry]))
    assert arc("db", "recost").out.startswith("0 calls of 1 cost something else")
    [row] = map(json.loads, arc("export", "calls").out.splitlines())
    assert row["cost_usd"] == "0.009900000"
