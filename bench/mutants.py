"""How many small changes of the code the tests notice, on a random sample (mutation testing).

    python bench/mutants.py [--count 300] [--seed N] [--minutes 90] [--only PATTERN] [--again LOG]
                            [--folder FOLDER] [--tests FOLDER...] [--list]

The mutated files are those that kgnb's guarantees rest on: queue with its Lua, ledger, graph store, worker
(with limits and budget). Each mutant changes one place of a copy of the tree, and the tests that execute that
place run on it, the quickest first. Tests that need services skip unless the environment of
scripts/services.sh is set. A mutant is noticed when a test fails that passes without it, or hangs; one that
no test executes survives.

``--folder`` keeps the copy, and what the tests executed, for the next run; ``--again`` tries those mutants of
a log that survived. Prints a line for each mutant with the counts so far, so that an interrupted run has a
share, and one JSON object: mutants, noticed, hung, unreached, share, seed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from kit import ROOT, environment, tell
from line_tests import LineTests, Ran, lent_engines, run
from mutations import Mutant, mutants_of

TARGETS = ("kgnb/stores/queue", "kgnb/stores/ledger", "kgnb/stores/graph", "kgnb/worker")
TESTS = ("tests/stores", "tests/worker", "tests/app", "tests/cli")
INSIDE = "MUTANTS_COPY"
"""Set in the process that works in the copy, whose own files it changes."""


def main() -> None:
    args = arguments()
    if INSIDE not in os.environ:
        sys.exit(run_copied(args.folder))
    assert not any(name.startswith(tuple(one.replace("/", ".") for one in TARGETS)) for name in sys.modules)
    seed = args.seed or random.randrange(10**6)
    mutants = [one for one in sample(seed)[: args.count] if re.search(args.only, one.path)]
    if args.again:
        survived = re.findall(r"(?:SURVIVED|UNREACHED) (.*)", Path(args.again).read_text("utf-8"))
        mutants = [one for one in mutants if one.shown() in set(survived)]
    if args.list:
        print(*(one.shown() for one in mutants), sep="\n")
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as engines, lent_engines(Path(engines)):
        tests = LineTests(args.tests)
        fates = judge_all(mutants, tests, time.monotonic() + args.minutes * 60)
    tell(summary(fates) | {"of": len(mutants), "seed": seed})


def run_copied(folder: Path | None) -> int:
    """This command on a copy of the tree, made anew where ``folder`` holds none."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = folder or Path(temporary)
        if not (copy / "bench").is_dir():
            copied(copy)
        given = {name: value for name, value in os.environ.items() if name.startswith("KGNB_")}
        env = environment() | given | {"PYTHONPATH": str(copy), INSIDE: "1"}
        return subprocess.call([sys.executable, copy / "bench" / "mutants.py", *sys.argv[1:]], env=env)


def copied(folder: Path) -> None:
    """Copy the files that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def sample(seed: int) -> list[Mutant]:
    """All mutants, in the seed's order."""
    sources = (path for folder in TARGETS for path in sorted((ROOT / folder).rglob("*")))
    files = [path.relative_to(ROOT) for path in sources if path.suffix in (".py", ".lua")]
    mutants = [one for path in files for one in mutants_of(path)]
    random.Random(seed).shuffle(mutants)
    return mutants


# --- judgement ----------------------------------------------------------------------------------------------


def judge_all(mutants: list[Mutant], tests: LineTests, end: float) -> Counter[str]:
    """What became of each, until the time is over."""
    fates: Counter[str] = Counter()
    for mutant in mutants:
        if time.monotonic() > end:
            break
        began = time.monotonic()
        fate, by = judged(mutant, tests)
        fates[fate] += 1
        counts = summary(fates)
        took = time.monotonic() - began
        print(f"{counts['noticed']}/{counts['mutants']} {took:.0f} s {fate} {mutant.shown()}{by}", flush=True)
    return fates


def summary(fates: Counter[str]) -> dict[str, float]:
    run, noticed = fates.total(), fates["noticed"] + fates["hung"]
    counts = {
        "hung": fates["hung"],
        "unreached": fates["UNREACHED"],
        "share": round(noticed / max(1, run), 3),
    }
    return {"mutants": run, "noticed": noticed} | counts


def judged(mutant: Mutant, tests: LineTests) -> tuple[str, str]:
    """What became of a mutant, and the test that noticed it. One that fails without it counts no more."""
    batch: list[str] = []
    for batch in tests.batches(mutant):
        while batch := [test for test in batch if test in tests.seconds]:
            ran = with_change(mutant, batch, tests)
            if ran.passed:
                break
            doubtful = [test for test in ran.failed or batch if test not in _trusted]
            if not doubtful or pass_without(doubtful, tests):
                return ("hung" if ran.hung else "noticed"), "".join(f"  by {test}" for test in ran.failed)
    return ("SURVIVED" if batch else "UNREACHED"), ""


def with_change(mutant: Mutant, batch: list[str], tests: LineTests) -> Ran:
    """Run tests on the mutant."""
    target = ROOT / mutant.path
    text = target.read_text("utf-8")
    written(target, mutant.applied(text))
    try:
        return run(batch, sum(map(tests.seconds.__getitem__, batch)))
    finally:
        written(target, text)


_trusted: set[str] = set()
_times = itertools.count(1)


def pass_without(doubtful: list[str], tests: LineTests) -> bool:
    """Whether tests pass without any mutant; forgets those that don't."""
    ran = run(doubtful, sum(map(tests.seconds.__getitem__, doubtful)))
    if ran.passed:
        _trusted.update(doubtful)
        return True
    for test in ran.failed or doubtful:
        print(f"left out, fails without a mutant: {test}", flush=True)
        tests.seconds.pop(test, None)
    return False


def written(path: Path, text: str) -> None:
    """Write a module with a time of its own: what was compiled of the last one must not be taken for it."""
    path.write_text(text, "utf-8")
    seconds = next(_times)
    os.utime(path, (seconds, seconds))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300, help="mutants at most")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: a random one, printed)")
    parser.add_argument("--minutes", type=float, default=90.0, help="no mutant begins later")
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="those of the sample whose file's path has it"
    )
    parser.add_argument("--again", metavar="LOG", help="only what survived there")
    parser.add_argument("--folder", type=Path, help="where the copy is kept (default: nowhere)")
    parser.add_argument("--tests", nargs="+", metavar="FOLDER", default=TESTS, help="tests that may run")
    parser.add_argument("--list", action="store_true", help="only show the sample")
    return parser.parse_args()


if __name__ == "__main__":
    main()
