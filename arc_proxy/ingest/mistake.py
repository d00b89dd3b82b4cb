"""What a log says of a bug."""

from __future__ import annotations

import traceback


def describe_bug(error: Exception) -> dict[str, str]:
    """Type and place of an exception for a log. Its text is left out: it may quote what was captured."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    return {"error": type(error).__name__, "where": where}
