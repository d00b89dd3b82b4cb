"""`arc-proxy issues merge` and `split`: two issues that are one trouble, and back."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from arc_proxy.cli.folder import find_folder
from arc_proxy.cli.options import KEY_MAX, DataDir
from arc_proxy.cli.terminal import say
from arc_proxy.errors import UsageError
from arc_proxy.journal.fact import FactType

if TYPE_CHECKING:
    from arc_proxy.store.engine import Store
    from arc_proxy.store.issues import Issue


def merge(
    first: Annotated[int, typer.Argument(min=1, max=KEY_MAX, metavar="ISSUE", help="The one that stays.")],
    second: Annotated[
        int, typer.Argument(min=1, max=KEY_MAX, metavar="OTHER", help="The one that becomes a part of it.")
    ],
    data_dir: DataDir = None,
) -> None:
    """
    Say that two issues are one: from now on, and for all that was, they are shown as the first.

    Both have to be of the same agent and the same code. `arc-proxy issues split` undoes it.
    """
    from arc_proxy.cli.facts import write_fact
    from arc_proxy.cli.rows import open_rows

    folder = find_folder(data_dir, os.environ)
    with open_rows(folder, os.environ) as store:
        stays, goes = find_issue(store, first), find_issue(store, second)
    if first == second:
        raise UsageError(f"issue {first} is one already; name two issues.")
    if (stays.agent, stays.code) != (goes.agent, goes.code):
        raise UsageError(
            f"issue {first} is {stays.code} of {stays.agent or 'no agent'}, issue {second} is {goes.code} of "
            f"{goes.agent or 'no agent'}: only issues of one agent and one code can be one."
        )
    write_fact(
        folder,
        FactType.ISSUE_MERGE,
        fingerprint=goes.fingerprint,
        into=stays.fingerprint,
        agent=stays.agent,
        subject=stays.subject,
        cause=stays.cause,
    )
    say(f"Noted. Soon issue {second} is shown as issue {first}; `arc-proxy issues split {first}` undoes it.")


def split(
    which: Annotated[
        int, typer.Argument(min=1, max=KEY_MAX, metavar="ISSUE", help="The one that others were merged into.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Make the issues that were merged into this one their own again."""
    from arc_proxy.cli.facts import write_fact
    from arc_proxy.cli.rows import open_rows
    from arc_proxy.store.merges import read_merged

    folder = find_folder(data_dir, os.environ)
    with open_rows(folder, os.environ) as store:
        issue = find_issue(store, which)
        parts = [
            name
            for name, target in read_merged(store).items()
            if (name[0], target.fingerprint) == (issue.agent or "", issue.fingerprint)
        ]
    if not parts:
        raise UsageError(f"nothing was merged into issue {which}.")
    write_fact(folder, FactType.ISSUE_SPLIT, fingerprint=issue.fingerprint, agent=issue.agent)
    say(f"Noted. Soon what was merged into issue {which} is its own again.")


def find_issue(store: Store, which: int) -> Issue:
    """By its number. Raises UsageError."""
    from arc_proxy.report.health import midnight_ns
    from arc_proxy.store.issues import read_issue

    found = read_issue(store, which, recent_ns=midnight_ns(time.time_ns()))
    if found is None:
        raise UsageError(f"there is no issue {which}; `arc-proxy issues --since all` lists them.")
    return found
