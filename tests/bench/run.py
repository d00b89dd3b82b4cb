"""
The side-by-side benchmark: `make bench`, or `python -m tests.bench.run --rounds 5 --seconds 6`.

Rounds are interleaved with the order rotated, so that a noisy neighbour hits every target alike. The
results to trust on a small machine are CPU per request, and ratios to nginx in the same round. Rounds in
which the proxy's core was under 80 % busy do not count for throughput.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench.targets import (
    LOAD_CORE,
    Target,
    arc_proxy,
    compile_tools,
    cpu_s,
    free_port,
    nginx,
    pinned,
    pss_mb,
    request_body,
    running,
)

BUSY_SHARE_MIN = 0.8
STREAM_QUERY = "?chunks=50&interval_us=20000"
IDLE_STREAM_QUERY = "?chunks=40&interval_us=200000"

Results = dict[str, dict[str, list[float]]]


def load(
    tool: Path, mode: str, target: Target, query: str, body: Path, n: int, seconds: float
) -> dict[str, float]:
    command = [tool, mode, str(target.port), target.path(query), body, str(n), str(seconds)]
    done = subprocess.run(command, preexec_fn=pinned(LOAD_CORE), check=True, capture_output=True)
    result: dict[str, float] = json.loads(done.stdout)
    if result["failed"] or result["not_200"]:
        print(
            f"{target.name} {mode}: {result['failed']} failed, {result['not_200']} not 200", file=sys.stderr
        )
    return result


def one_round(tool: Path, target: Target, body: Path, seconds: float, results: Results) -> None:
    kept = results.setdefault(target.name, {})

    def keep(figure: str, value: float) -> None:
        kept.setdefault(figure, []).append(value)

    gateways = target.gateways()
    before, started = cpu_s(gateways), time.monotonic()
    closed = load(tool, "closed", target, "", body, 64, seconds)
    spent, elapsed = cpu_s(gateways) - before, time.monotonic() - started
    if gateways:
        total = closed["done"] * (elapsed / seconds)  # the generator's warm-up cost CPU too
        keep("cpu_us", spent / total * 1e6)
    if not gateways or spent / elapsed >= BUSY_SHARE_MIN:
        keep("per_s", closed["per_s"])
    calm = load(tool, "open", target, "", body, 200, seconds)
    keep("latency_p50", calm["latency_p50"])
    keep("first_byte_p50", calm["first_byte_p50"])
    streams = load(tool, "stream", target, STREAM_QUERY, body, 200, seconds)
    keep("stream_first_byte_p50", streams["first_byte_p50"])
    keep("chunk_p50", streams["chunk_p50"])


def memory(tool: Path, target: Target, body: Path) -> dict[str, float]:
    figures = {"idle_mb": pss_mb(target.gateways()), "family_mb": pss_mb(target.family())}
    command = [tool, "stream", str(target.port), target.path(IDLE_STREAM_QUERY), body, "1000", "6"]
    busy = subprocess.Popen(command, preexec_fn=pinned(LOAD_CORE), stdout=subprocess.DEVNULL)
    time.sleep(5)
    figures["streams_mb"] = pss_mb(target.gateways())
    busy.wait()
    return figures


def median(results: Results, target: str, figure: str) -> float | None:
    values = results.get(target, {}).get(figure)
    return statistics.median(values) if values else None


def table(results: Results) -> str:
    """Markdown: one line per target, medians over the rounds, added times against the provider alone."""
    lines = [
        (
            "| target | requests/s | of nginx | CPU us/request | added to the first byte, 200/s "
            "| added per chunk, 200 streams |"
        ),
        "|---|---|---|---|---|---|",
    ]
    for name in results:
        per_s, base = median(results, name, "per_s"), median(results, "nginx", "per_s")
        cpu = median(results, name, "cpu_us")
        cells = [name, f"{per_s:,.0f}" if per_s else "-", f"{per_s / base:.2f}" if per_s and base else "-"]
        cells.append(f"{cpu:.0f}" if cpu else "-")
        for figure in ("first_byte_p50", "chunk_p50"):
            value, direct = median(results, name, figure), median(results, "direct", figure)
            cells.append("-" if value is None or direct is None else f"{(value - direct) / 1000:.2f} ms")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="length of each measurement")
    parser.add_argument("--json", type=Path, help="write every round's figures there")
    options = parser.parse_args()
    results: Results = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arc-bench-")))
        provider, tool = compile_tools(folder)
        body = folder / "body.json"
        body.write_bytes(request_body(4096))
        port = free_port()
        stack.enter_context(running([provider, str(port)], port, LOAD_CORE))
        proxies = [stack.enter_context(nginx(port)), stack.enter_context(arc_proxy(port))]
        targets = [Target("direct", port, "", None), *(proxy for proxy in proxies if proxy)]
        for number in range(options.rounds):
            turn = number % len(targets)
            for target in targets[turn:] + targets[:turn]:
                print(f"round {number + 1} of {options.rounds}: {target.name}", file=sys.stderr)
                one_round(tool, target, body, options.seconds, results)
        ordered = {target.name: results[target.name] for target in targets}
        print(table(ordered))
        for target in targets:
            if target.process is not None:
                figures = memory(tool, target, body)
                print(
                    f"\n{target.name}: {figures['idle_mb']:.0f} MB idle, {figures['streams_mb']:.0f} MB with "
                    f"1,000 open streams; the whole installation {figures['family_mb']:.0f} MB (PSS)"
                )
    if options.json:
        options.json.write_text(json.dumps(ordered, indent=1))


if __name__ == "__main__":
    main()
