"""`python worker.py`, as the old worker was started, is `kgnb worker`. Moving over: docs/migration.md."""

import sys

from kgnb.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["worker", *sys.argv[1:]]))
