"""``python -m kgnb``."""

import sys

from kgnb.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
