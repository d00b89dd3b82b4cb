"""What a page says where there is nothing of that name."""

from __future__ import annotations

from arc_proxy.errors import UsageError


class Missing(UsageError):
    """There is nothing of this name."""
