"""
Settings: every knob, typed, once. A flag beats `ARC_<NAME>`, that beats `settings.toml`, that the default.

The environment is an argument and each value remembers where it came from, so that a refusal can name
the place to mend and `doctor` can print it. That is why the layers are merged here and pydantic only
validates the outcome. Only `cli/` reads settings; everything below takes the values it needs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError, field_validator

from analysis.budget import ANY_AGENT
from analysis.failure import HINTS, FailureCode
from arc_proxy.errors import ConfigError

SETTINGS_FILE = "settings.toml"

# Proxies are the one thing that the whole machine already has a convention for.
_ELSEWHERE = {
    "https_proxy": ("HTTPS_PROXY", "https_proxy"),
    "no_proxy": ("NO_PROXY", "no_proxy"),
}

_FLAGS = {
    "upstreams": "--upstream",
    "drain_s": "--drain",
    "price_index": "--index",
    "budget_per_run_usd": "--budget-per-run",
    "budget_per_agent_usd": "--budget-per-agent",
    "budget_per_day_usd": "--budget-per-day",
}  # the others are called as their key


def _split_list(value: object) -> object:
    """`a, b` from the environment, `["a", "b"]` from a file or from repeated flags."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _split_upstreams(value: object) -> object:
    """`openai=URL, anthropic=URL` from flags and the environment, a table from a file."""
    pairs = _split_list(value)
    if not isinstance(pairs, list | tuple):
        return value
    table: dict[str, str] = {}
    for pair in pairs:
        name, equals, url = str(pair).partition("=")
        if not equals or not name.strip():
            raise ValueError("each upstream is NAME=URL")
        table[name.strip()] = url.strip()
    return table


def _split_budgets(value: object) -> object:
    """`5, research=2` from flags and the environment, a number or a table from a file."""
    given = _split_list(str(value) if isinstance(value, int | float) else value)
    if not isinstance(given, list | tuple):
        return value
    pairs = [str(each).rpartition("=") for each in given]
    return {name.strip() if equals else ANY_AGENT: usd.strip() for name, equals, usd in pairs}


def _split_hints(value: object) -> object:
    """`all`, or codes as of `_split_list`; each once, in a fixed order."""
    codes = _split_list(value)
    if not isinstance(codes, list | tuple):
        return value
    given = set(map(str, codes))
    unknown = given - HINTS - {"all"}
    if unknown:
        raise ValueError(f"{min(unknown)} is no hint")
    return sorted(HINTS if "all" in given else given)


Usd = Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=16, decimal_places=9)]
Words = Annotated[tuple[str, ...], BeforeValidator(_split_list)]


class Settings(BaseModel):
    """All knobs of one data folder. `expects` says what would be right, for the one who got it wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address that the proxy listens on.",
        json_schema_extra={"expects": "an address of this machine, such as 127.0.0.1"},
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        description="Port that the proxy listens on; 0 takes a free one.",
        json_schema_extra={"expects": "a whole number from 0 to 65535"},
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Gateway processes. One serves about a thousand streams.",
        json_schema_extra={"expects": "a whole number from 1 to 64"},
    )
    drain_s: float = Field(
        30,
        ge=0,
        le=3600,
        description="How long open streams may go on after a stop was asked for, in seconds.",
        json_schema_extra={"expects": "seconds, from 0 to 3600"},
    )
    upstreams: Annotated[dict[str, str], BeforeValidator(_split_upstreams)] = Field(
        default_factory=dict,
        description="Where a provider's traffic goes instead of to the provider; '*' stands for all.",
        json_schema_extra={"expects": "NAME=URL, such as openai=http://127.0.0.1:11434"},
    )
    allow_host: Words = Field(
        (),
        description="Host names that requests may carry, beside this machine's own.",
        json_schema_extra={"expects": "host names, separated by commas"},
    )
    allow_origin: Words = Field(
        (),
        description="Web origins whose pages may send requests through the proxy.",
        json_schema_extra={"expects": "origins such as https://app.example, separated by commas"},
    )
    allow_target: Words = Field(
        (),
        description="Origins or providers that a request's header may choose as its upstream.",
        json_schema_extra={"expects": "origins such as https://llm.example, separated by commas"},
    )
    capture: Literal["full", "metadata", "none"] = Field(
        "full",
        description="The most that is kept of a call: all of it, everything but bodies, or nothing.",
        json_schema_extra={"expects": "full, metadata or none"},
    )
    capture_body_bytes_max: ByteSize = Field(
        ByteSize(64 * 1024 * 1024),
        ge=0,
        description="How much of one body is kept, per side.",
        json_schema_extra={"expects": "a size such as 64MiB"},
    )
    on_client_close: Literal["cancel", "drain"] = Field(
        "cancel",
        description="When a client leaves in mid-answer: hang up on the provider, or read on for the usage.",
        json_schema_extra={"expects": "cancel or drain"},
    )
    include_usage: bool = Field(
        False,
        description="Ask for usage in OpenAI chat streams whose client said nothing of it.",
        json_schema_extra={"expects": "true or false"},
    )
    bedrock: bool = Field(
        False,
        description="Sign requests to Bedrock anew, with this machine's AWS credentials.",
        json_schema_extra={"expects": "true or false"},
    )
    websockets: bool = Field(
        True,
        description="Carry WebSockets; false answers them with 426, at which clients turn to plain requests.",
        json_schema_extra={"expects": "true or false"},
    )
    connect_timeout_s: float = Field(
        10,
        gt=0,
        le=600,
        description="How long an upstream may take to accept a connection, in seconds.",
        json_schema_extra={"expects": "seconds, up to 600"},
    )
    idle_timeout_s: float = Field(
        900,
        gt=0,
        description="How long an upstream may be silent, in seconds; reasoning models think for minutes.",
        json_schema_extra={"expects": "seconds, more than 0"},
    )
    ca_bundle: Path | None = Field(
        None,
        description="A PEM file of certificate authorities to trust for upstreams, beside the system's.",
        json_schema_extra={"expects": "the path of a PEM file"},
    )
    https_proxy: str | None = Field(
        None,
        description="Proxy for https upstreams, else HTTPS_PROXY.",
        json_schema_extra={"expects": "http://[user:password@]host:port", "secret": True},
    )
    no_proxy: Words = Field(
        (),
        description="Hosts that are reached without a proxy, else NO_PROXY.",
        json_schema_extra={"expects": "host names, separated by commas"},
    )
    database_url: str | None = Field(
        None,
        description="A PostgreSQL URL, where the rows should not lie in the data folder's arc.db.",
        json_schema_extra={"expects": "postgresql://user:password@host/name", "secret": True},
    )
    journal_days: int = Field(
        30,
        ge=1,
        description="How long raw bytes are kept, in days.",
        json_schema_extra={"expects": "a whole number of days, 1 or more"},
    )
    journal_bytes_max: ByteSize = Field(
        ByteSize(10_000_000_000),
        ge=1_000_000,
        description="How much raw bytes may take on disk; the oldest go first.",
        json_schema_extra={"expects": "a size such as 10GB, at least 1MB"},
    )
    rows_months: int = Field(
        12,
        ge=1,
        description="How long calls and runs are kept, in whole months.",
        json_schema_extra={"expects": "a whole number of months, 1 or more"},
    )
    budget_per_run_usd: Usd | None = Field(
        None,
        description="What one run may cost, in US dollars.",
        json_schema_extra={"expects": "dollars, such as 0.50"},
    )
    budget_per_agent_usd: Annotated[dict[str, Usd], BeforeValidator(_split_budgets)] = Field(
        default_factory=dict,
        description="What an agent may cost on one day, in US dollars; '*' or no name: any agent.",
        json_schema_extra={"expects": "dollars, such as 5 or finance=5, separated by commas"},
    )
    budget_per_day_usd: Usd | None = Field(
        None,
        description="What all agents together may cost on one day, in US dollars.",
        json_schema_extra={"expects": "dollars, such as 20"},
    )
    loop_limit: int = Field(
        5,
        ge=2,
        le=100,
        description="How often in a row a run may make the same tool call, or get the same error.",
        json_schema_extra={"expects": "a whole number from 2 to 100"},
    )
    enforce: bool = Field(
        False,
        description="Refuse requests of runs that are over a budget or go in circles.",
        json_schema_extra={"expects": "true or false"},
    )
    hints: Annotated[tuple[FailureCode, ...], BeforeValidator(_split_hints)] = Field(
        (),
        description="Codes to look for that say little of one run and are in no score; 'all': each of them.",
        json_schema_extra={"expects": f"all, or of these, separated by commas: {', '.join(sorted(HINTS))}"},
    )
    alerts_every_s: float = Field(
        30,
        ge=1,
        le=3600,
        description="How often it is looked at what alerts.toml watches for, in seconds.",
        json_schema_extra={"expects": "seconds, from 1 to 3600"},
    )
    price_index: str = Field(
        "https://pypi.org/pypi/genai-prices/json",
        description="Where `prices update` asks for the newest published prices.",
        json_schema_extra={"expects": "an http:// or https:// URL", "secret": True},
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="What the console logs.",
        json_schema_extra={"expects": "debug, info, warning or error"},
    )

    @field_validator("upstreams")
    @classmethod
    def _check_upstreams(cls, upstreams: dict[str, str]) -> dict[str, str]:
        for name, url in upstreams.items():
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{name} has no http:// or https:// URL")
            if parts.username or parts.password:
                raise ValueError(f"the URL of {name} holds credentials; callers bring their own keys")
        return upstreams

    @field_validator("price_index")
    @classmethod
    def _check_index(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError("an index is asked by an http:// or https:// URL")
        if urlsplit(url).query:
            raise ValueError("the URL of an index has no query, which might hold a key and would be shown")
        return url

    @field_validator("https_proxy")
    @classmethod
    def _check_proxy(cls, url: str | None) -> str | None:
        if url and (urlsplit(url).scheme != "http" or not urlsplit(url).hostname):
            raise ValueError("a proxy is reached by an http:// URL")
        return url or None

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, url: str | None) -> str | None:
        if url and not url.startswith(("postgresql://", "postgresql+psycopg://", "postgres://", "sqlite://")):
            raise ValueError("only PostgreSQL and SQLite are known")
        return url or None


@dataclass(frozen=True, slots=True)
class Loaded:
    settings: Settings
    origins: Mapping[str, str]  # per field: "--port", "ARC_PORT", "/path/settings.toml" or "default"


def load_settings(data_dir: Path, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Loaded:
    """
    The settings of this data folder.

    A flag that is None or an empty list was not given. Raises ConfigError for a value that cannot be, with
    the key, where it came from and what would be right, and never with the value of a secret.
    """
    path = data_dir / SETTINGS_FILE
    from_file = _read_file(path)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key in Settings.model_fields:
        found = _first(key, flags, environ, from_file, path)
        if found is None:
            origins[key] = "default"
        else:
            values[key], origins[key] = found
    unknown = sorted(from_file.keys() - Settings.model_fields.keys())
    if unknown:
        raise ConfigError(_unknown_key(unknown[0], path))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, values, origins)) from None
    if settings.ca_bundle and not settings.ca_bundle.is_file():
        raise ConfigError(f"ca_bundle from {origins['ca_bundle']}: there is no file {settings.ca_bundle}.")
    return Loaded(settings, origins)


def shown(settings: Settings, key: str) -> str:
    """The value as `doctor` prints it: passwords of URLs cut."""
    value = getattr(settings, key)
    if value is None or value == () or value == {}:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, ByteSize):
        return value.human_readable(separator=" ")
    return mask_url(value) if is_secret(key) else str(value)


def is_secret(key: str) -> bool:
    extra = Settings.model_fields[key].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("secret"))


def mask_url(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, _ = parts.netloc.rpartition("@")[0].partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}:***@{parts.netloc.rpartition('@')[2]}"))


def _first(
    key: str,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    from_file: Mapping[str, Any],
    path: Path,
) -> tuple[Any, str] | None:
    flag = flags.get(key)
    if flag is not None and flag != [] and flag != ():
        return flag, _FLAGS.get(key, "--" + key.replace("_", "-"))
    variable = f"ARC_{key.upper()}"
    # Set but empty means "not set", except where it says: no proxy, whatever the machine's convention is.
    if environ.get(variable) or (variable in environ and key in _ELSEWHERE):
        return environ[variable], variable
    if key in from_file:
        return from_file[key], str(path)
    for variable in _ELSEWHERE.get(key, ()):
        if environ.get(variable):
            return environ[variable], variable
    return None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    except (ValueError, RecursionError) as error:  # also of numbers and lists that are absurd
        raise ConfigError(f"{path} is no valid TOML: {error}.") from error


def _unknown_key(key: str, path: Path) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, Settings.model_fields, n=1)
    cure = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(Settings.model_fields)}."
    return f"{path} sets {key!r}, which is no setting. {cure}"


def _explain(error: ValidationError, values: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    key = str(first["loc"][0])
    given = "" if is_secret(key) or key == "upstreams" else f" {values.get(key)!r}"
    extra = Settings.model_fields[key].json_schema_extra
    expects = extra.get("expects") if isinstance(extra, dict) else None
    why = first["msg"].removeprefix("Value error, ")
    return (
        f"{key}{given} from {origins.get(key)} is refused: {why[:1].lower()}{why[1:]}. Expected: {expects}."
    )
