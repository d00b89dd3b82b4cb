"""Where alerts are sent, as alerts.toml names it. In any case they are on the dashboard and in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ALWAYS = ("dashboard", "log")  # names that no target can have


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Gets the JSON of `message` by POST, or with `is_slack` the form that Slack takes."""

    name: str
    url: str = field(repr=False)  # whoever knows a webhook's path may post to it
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_slack: bool = False

    @property
    def shown(self) -> str:
        """`Slack at hooks.slack.com`: no more of the URL than can be told to anybody."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{'Slack' if self.is_slack else 'webhook'} at {parts.hostname}{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program that is run without a shell; its arguments may be secret, its name is not."""

    name: str
    arguments: tuple[str, ...] = field(repr=False)

    @property
    def shown(self) -> str:
        return f"command {self.arguments[0]}"


Target = Webhook | Command


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one message. `says` holds nothing secret of the target."""

    is_ok: bool
    says: str
