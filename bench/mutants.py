"""How many small changes of the code the tests notice, on a random sample (mutation testing).

    python bench/mutants.py [--count 300] [--seed N] [--only PATTERN] [--log FILE [--again]]
                            [--folder FOLDER] [--tests PATH...] [--seconds 60] [--list]

The mutated files are those that kgnb's guarantees rest on: queue with its Lua, ledger, graph store, worker
(with limits and budget). Each mutant changes one place of a copy of the tree, and the tests that execute that
place run on it, the quickest first. Tests that need services skip unless the environment of
scripts/services.sh is set. A mutant is noticed when a test fails that passes without it, or hangs; one that
no test executes survives.

``--folder`` keeps the copy, and what the tests executed, for the next run. A line for each mutant goes to the
log, with the counts so far. Another run with the same log leaves out what is judged there already, with
``--again`` only what didn't survive. Prints one JSON object: mutants, noticed, hung, unreached, share, seed.
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
from collections.abc import Sequence
from pathlib import Path

from kit import ROOT, argument_parser, environment, tell
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
    mutants = [one for one in sample(seed)[: args.count] if re.search(args.only, one.shown())]
    if args.list:
        print(*(one.shown() for one in mutants), sep="\n")
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as engines, lent_engines(Path(engines)):
        tests, log = LineTests(args.tests, args.seconds), Log(args.log, args.again)
        for mutant in mutants:
            if not log.knows(mutant):
                began = time.monotonic()
                fate, by = judged(mutant, tests)
                log.add(mutant, fate, by, time.monotonic() - began)
    tell(log.summary() | {"of": len(mutants), "seed": seed})


def run_copied(folder: Path | None) -> int:
    """This command on a copy of the tree. What ``folder`` knows of the lines is of the same code."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = folder or Path(temporary)
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


class Log:
    """What became of each mutant, by its text; read from a file, and added to it."""

    def __init__(self, file: Path, again: bool) -> None:
        self._file = file
        text = file.read_text("utf-8") if file.is_file() else ""
        self._fates = {shown: fate for fate, shown in re.findall(r" s (\w+) (.*?)(?:  by .*)?$", text, re.M)}
        self._open = {shown for shown, fate in self._fates.items() if again and fate.isupper()}

    def knows(self, mutant: Mutant) -> bool:
        """Whether it was judged before, and isn't to be judged again."""
        return mutant.shown() in self._fates.keys() - self._open

    def add(self, mutant: Mutant, fate: str, by: Sequence[str], seconds: float) -> None:
        shown = mutant.shown()
        self._fates[shown] = fate
        counts = self.summary()
        names = "".join(f"  by {test}" for test in by)
        with self._file.open("a", encoding="utf-8") as file:
            print(f"{counts['noticed']}/{counts['mutants']} {seconds:.0f} s {fate} {shown}{names}", file=file)

    def summary(self) -> dict[str, float]:
        """Counts and share."""
        of = [*self._fates.values()].count
        run, noticed = len(self._fates), of("noticed") + of("hung")
        counts = {"hung": of("hung"), "unreached": of("UNREACHED"), "share": round(noticed / max(1, run), 3)}
        return {"mutants": run, "noticed": noticed} | counts


def judged(mutant: Mutant, tests: LineTests) -> tuple[str, Sequence[str]]:
    """What became of a mutant, and the tests that noticed it. One that fails without it counts no more."""
    batch: list[str] = []
    for batch in tests.batches(mutant):
        while batch := [test for test in batch if test in tests.seconds]:
            ran = with_change(mutant, batch, tests)
            if ran.passed:
                break
            doubtful = [test for test in ran.failed or batch if test not in _trusted]
            if not doubtful or pass_without(doubtful, tests):
                return ("hung" if ran.hung else "noticed"), ran.failed
    return ("SURVIVED" if batch else "UNREACHED"), ()


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
    parser = argument_parser(__doc__)
    parser.add_argument("--count", type=int, default=300, help="mutants at most")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: a random one, printed)")
    parser.add_argument("--only", default="", metavar="PATTERN", help="those of the sample that have it")
    parser.add_argument(
        "--log", type=Path, default=Path("/dev/stdout"), metavar="FILE", help="where to go on"
    )
    parser.add_argument("--again", action="store_true", help="judge anew what survived in the log")
    parser.add_argument("--folder", type=Path, help="where the copy is kept (default: nowhere)")
    parser.add_argument("--tests", nargs="+", metavar="PATH", default=TESTS, help="folders or files of tests")
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests that are tried for one mutant")
    parser.add_argument("--list", action="store_true", help="only show the sample")
    return parser.parse_args()


if __name__ == "__main__":
    main()
