"""What `arc-proxy` can do, in the order of its help. Each command lies in a module that only it imports."""

from __future__ import annotations

from dataclasses import dataclass

PANELS = ("Start", "Look", "Data", "Admin")


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    panel: str
    module: str  # of arc_proxy.cli, with a typer app called `app`
    summary: str


ENTRIES = (
    Entry("demo", "Start", "demo", "Try it: a fake provider and sample agents, no key, no network."),
    Entry("serve", "Start", "serve", "Run the proxy and the dashboard."),
    Entry("run", "Start", "run", "Run a program through the proxy; its card at the end."),
    Entry("env", "Start", "env", "Print the lines that point a shell's programs at the proxy."),
    Entry("open", "Start", "open_page", "Log in to the dashboard."),
    Entry("status", "Start", "status", "Say whether the proxy runs, and where."),
    Entry("stop", "Start", "stop", "Stop the proxy; open streams may finish first."),
    Entry("doctor", "Start", "doctor", "Check that everything is as it should be, with a cure if not."),
    Entry("report", "Look", "report", "The card of each agent, and tables per agent and model."),
    Entry("savings", "Look", "savings", "Cheaper models that could take an agent's calls."),
    Entry("trace", "Look", "trace", "Runs and their steps, as they happen with -f."),
    Entry("runs", "Look", "runs", "List the latest runs."),
    Entry("show", "Look", "show", "Show one run or one call."),
    Entry("issues", "Look", "issues", "What goes wrong in agents, the worst first."),
    Entry("fix", "Look", "fix", "Print what to change about an issue."),
    Entry("alerts", "Look", "alerts", "What is watched for, what fires now, and who is told."),
    Entry("outcome", "Look", "outcome", "Report whether a run succeeded."),
    Entry("export", "Data", "export", "Write calls or runs as JSON Lines, CSV or HAR."),
    Entry("import", "Data", "import_file", "Read calls from a HAR file."),
    Entry("prices", "Data", "prices", "The price book: list it, look a model up, price usage."),
    Entry("reconcile", "Data", "reconcile", "Compare a provider's bill with the log."),
    Entry("db", "Admin", "db", "Care for the database: upgrade, rebuild, prune, rollup."),
)

BY_NAME = {entry.name: entry for entry in ENTRIES}
