"""
Gemini CLI: the usual variable, but only once a way to log in has been chosen.

Before that it takes GOOGLE_GEMINI_BASE_URL for a choice of its own, a gateway, which it then refuses without
a terminal ("Invalid auth method selected", tried with 0.61).
"""

from __future__ import annotations

from pathlib import Path

from arc_proxy.cli.config_file import ConfigUnread, read_json

BASE_URL = "GOOGLE_GEMINI_BASE_URL"
NO_LOGIN = (
    "Gemini CLI has no login chosen yet, and a base URL would keep it from starting: its calls are not seen. "
    "Choose one with /auth in it"
)


def has_chosen_login(home: Path, cwd: Path) -> bool:
    """Whether settings.json, the user's or the project's, selects one. Nothing else of it is looked at."""
    for folder in (home, cwd):
        try:
            security = read_json(folder / ".gemini" / "settings.json").get("security")
        except ConfigUnread:
            continue
        auth = security.get("auth") if isinstance(security, dict) else None
        if isinstance(auth, dict) and auth.get("selectedType"):
            return True
    return False
