"""``python -m kgnb.llm.dryrun``: starts the fake LLM server of :mod:`kgnb.llm.fake.server`."""

from kgnb.llm.fake.server import main

if __name__ == "__main__":
    raise SystemExit(main())
