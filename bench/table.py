"""All benchmarks, one after the other, in one table: scripts/bench.sh runs it.

    python bench/table.py [--quick] [--only WORD] [--peers]

Columns: the embedded engines, and the real servers that REDIS_HOST, DB_HOST and NEO4J_URI name (left out
where they aren't set; Redis is emptied, the others are written to). The last whole run is kept in
bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from kit import ROOT, argument_parser, environment, has_servers

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
NOVELS = ROOT.parent / "shared" / "data" / "novels"


@dataclass(frozen=True)
class Row:
    """A line of the table: ``key`` is the figure's name in what the benchmark prints."""

    what: str
    key: str
    bar: str = ""  # "≤ 1.2", "≥ 10000"; empty: told only


@dataclass(frozen=True)
class Bench:
    """A benchmark, its size, and where it runs: "e" on embedded engines, "r" on real servers."""

    script: str
    words: str
    quick: str
    where: str
    rows: tuple[Row, ...]


BENCHES = (
    Bench(
        "throughput.py",
        "--chapters 600 --latency 0.3 --slots 60 --runs 5",
        "--chapters 120 --latency 0.3 --slots 60",
        "er",
        (
            Row("600 chapters, 0.3 s, 60 slots: wall ÷ ideal", "ratio", "≤ 1.2"),
            Row("— until the last reply ÷ ideal", "asking_ratio"),
            Row("refresh of 600 chapters, s", "refresh", "≤ 3"),
            Row("requests a chapter", "requests_a_chapter", "≤ 1"),
            Row("prompt characters beyond the chapter's", "overhead", "≤ 1200"),
            Row("peak memory of the node, 60 in flight, MB", "peak_mb", "≤ 170"),
            Row("start of the process to its first request, s", "start", "≤ 2.5"),
        ),
    ),
    Bench(
        "throughput.py",
        "--chapters 240 --latency 2 --slots 60 --runs 3",
        "--chapters 120 --latency 2 --slots 60",
        "er",
        (Row("240 chapters, 2 s, 60 slots: wall ÷ ideal", "ratio", "≤ 1.06"),),
    ),
    Bench(
        "throughput.py",
        "--chapters 2000 --latency 0.3 --slots 200 --runs 3",
        "--chapters 400 --latency 0.3 --slots 200",
        "er",
        (
            Row("2,000 chapters, 0.3 s, 200 slots: wall ÷ ideal", "ratio", "≤ 1.7"),
            Row("peak memory of the node, 200 in flight, MB", "peak_mb", "≤ 220"),
        ),
    ),
    Bench(
        "throughput.py",
        "--chapters 1200 --chars 7700 --people 24 --slots 60",
        "--chapters 120 --chars 7700 --people 24 --slots 60",
        "er",
        (
            Row(
                "1,200 rich replies (24 people, 12 events): until the last ÷ ideal", "asking_ratio", "≤ 1.15"
            ),
            Row("— until the end of the process ÷ ideal", "end_ratio", "≤ 1.9"),
        ),
    ),
    Bench(
        "throughput.py",
        "--chapters 600 --latency 5 --slots 60 --outside --away 150",
        "--chapters 120 --latency 5 --slots 60 --outside --away 150",
        "r",
        (
            Row("600 chapters, 5 s, 60 slots, servers 150 ms away: wall ÷ ideal", "ratio"),
            Row("— refresh, s", "closing", "≤ 7"),
        ),
    ),
    Bench(
        "scale.py",
        "",
        "--long 400 --short 100",
        "e",
        (
            Row("10,000 chapters against 100: node's memory, ×", "memory_ratio", "≤ 1.2"),
            Row("— time for a chapter, ×", "time_ratio", "≤ 1.1"),
            Row("— last tenth's time against the second's, ×", "late_ratio"),
            Row("— memory of the helper that refreshes, MB", "helper_mb", "≤ 400"),
        ),
    ),
    Bench(
        "claims.py",
        "",
        "--chapters 20000",
        "er",
        (
            Row("claim + ack, batches of 200: pairs a second", "pairs_per_s", "≥ 50000"),
            Row("— the server's own limit", "server_pairs_per_s"),
        ),
    ),
    Bench(
        "records.py",
        "",
        "--chapters 1000",
        "er",
        (Row("chapters a second through SQL alone, 4 writers", "chapters_per_s"),),
    ),
    Bench(
        "idle.py",
        "",
        "--seconds 6",
        "r",
        (
            Row("idle node: Redis round trips a second", "trips_per_s", "≤ 2"),
            Row("— Redis connections", "connections", "≤ 3"),
            Row("— processor, % of a core", "cpu_percent", "≤ 1"),
        ),
    ),
    Bench(
        "start.py",
        "",
        "--runs 2",
        "e",
        (
            Row("import kgnb, s", "import", "≤ 0.3"),
            Row("kgnb --help, s", "help", "≤ 0.6"),
            Row("embedded engines up, s", "engines", "≤ 4"),
        ),
    ),
)

RULES = (
    Row("rules: zh characters a second, start-up included", "sanguo", "≥ 400000"),
    Row("rules: en characters a second, start-up included", "PrideAndPrejudice", "≥ 1000000"),
)


def main() -> None:
    args = arguments()
    lines = ["| what | bar | embedded | real servers | met |", "|---|---|---|---|---|"]
    for bench in BENCHES:
        if args.only in bench.script:
            print(f"… {bench.script}", file=sys.stderr, flush=True)
            lines += table_lines(bench, args.quick)
    if args.only in "quality.py":
        lines += rules_lines()
    if args.peers:
        lines += peer_lines(args.quick)
    text = "\n".join(lines)
    print(text)
    if not args.quick and not args.only:
        RESULTS.write_text(f"# bash scripts/bench.sh\n\n{facts()}\n\n{text}\n", "utf-8")


def table_lines(bench: Bench, quick: bool) -> Iterator[str]:
    words = (bench.quick if quick else bench.words).split()
    embedded = figures(bench.script, *words) if "e" in bench.where else {}
    outside = ["--outside"] if "e" in bench.where else []
    real = figures(bench.script, *words, *outside) if "r" in bench.where and has_servers() else {}
    for row in bench.rows:
        found = [found.get(row.key) for found in (embedded, real)]
        yield line(row, *found)


def figures(script: str, *words: str, python: str = sys.executable) -> dict[str, Any]:
    """What a benchmark printed; nothing when it failed."""
    command = [python, "-W", "ignore", str(HERE / script), *words]
    ran = subprocess.run(command, env=environment(outside=True), stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        print(f"{script}: exit {ran.returncode}", file=sys.stderr)
        return {}
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def line(row: Row, *found: float | None) -> str:
    met = [holds(row.bar, value) for value in found if value is not None and row.bar]
    verdict = "" if not row.bar else "–" if not met else "yes" if all(met) else "no"
    cells = [row.what, row.bar, *map(shown, found), *[""] * (2 - len(found)), verdict]
    return "| " + " | ".join(cells) + " |"


def holds(bar: str, value: float) -> bool:
    sign, limit = bar.split()
    return value <= float(limit) if sign == "≤" else value >= float(limit)


def shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def rules_lines() -> Iterator[str]:
    """Speed of the rules on the books with gold lists, where these lie beside the checkout."""
    if not NOVELS.is_dir():
        return
    ran = subprocess.run([sys.executable, str(HERE / "quality.py")], stdout=subprocess.PIPE, text=True)
    table = [one.split(" | ") for one in ran.stdout.splitlines() if " | " in one]
    speeds = {one[0]: dict(zip(table[0], one, strict=True))["chars_per_s"] for one in table[1:]}
    for row in RULES:
        if row.key in speeds:
            yield line(row, float(speeds[row.key]))


def peer_lines(quick: bool) -> Iterator[str]:
    """Other programs on the same chapters and server, by the Python that KGNB_BENCH_PEERS names."""
    words = ["--chapters", "60"] if quick else ["--chapters", "240"]
    found = figures("peers.py", *words, python=os.environ.get("KGNB_BENCH_PEERS", sys.executable))
    for name, ratio in found.items():
        yield line(Row(f"{name}: wall ÷ ideal, 60 in flight, nothing stored", name), ratio)


def facts() -> str:
    """When and on what it ran; nothing that names the machine."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    model = next(
        (
            one.partition(":")[2].strip()
            for one in Path("/proc/cpuinfo").read_text().splitlines()
            if one.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{date.today().isoformat()} · {os.cpu_count()} cores ({model}) · {pages * size / 2**30:.0f} GB · "
        f"Python {platform.python_version()} · load at the end {os.getloadavg()[1]:.1f}"
    )


def arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes; nothing is kept")
    parser.add_argument("--peers", action="store_true", help="other programs too, those that are installed")
    parser.add_argument("--only", default="", metavar="WORD", help="scripts whose name has it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
