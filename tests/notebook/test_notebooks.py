"""kgnb in a notebook: the notebooks on real kernels, and the plain face while a loop is running."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.support.commands import STORY, Place, environment, llm
from tests.support.kernels import pythons
from tests.support.patience import SLOWEST
from tests.support.run_notebooks import NOTEBOOKS, executed, of_code, outputs


class TestQuickstart:
    @pytest.fixture
    def notebook(self) -> Iterator[nbformat.NotebookNode]:
        made = [NOTEBOOKS / "graph.html", NOTEBOOKS / "graph.json"]
        before = {path for path in made if path.exists()}
        yield nbformat.read(NOTEBOOKS / "quickstart.ipynb", as_version=4)
        for path in set(made) - before:
            path.unlink(missing_ok=True)

    @pytest.mark.parametrize("python", pythons())
    def test_runs_top_to_bottom_and_shows_the_picture(
        self, place: Place, notebook: nbformat.NotebookNode, python: str
    ) -> None:
        shown = list(outputs(executed(notebook, place, python)))
        kinds = {kind for kind, _ in shown}
        assert kinds >= {"image/svg+xml", "text/markdown"}  # of which an untrusted notebook shows the latter
        assert any(kind == "text/html" and "cytoscape" in str(content) for kind, content in shown)
        answers = [c.outputs[-1].data["text/html"] for c in notebook.cells if "book.ask" in c.source]
        assert len(answers) == 3
        assert all("<p>" in answer and "章" in answer for answer in answers)
        assert (NOTEBOOKS / "graph.html").stat().st_size > 100_000

    def test_is_committed_without_outputs_and_with_a_kernelspec(
        self, notebook: nbformat.NotebookNode
    ) -> None:
        assert list(outputs(notebook)) == []
        assert notebook.metadata.kernelspec.name == "python3"
        assert "widgets" not in notebook.metadata


class TestExplore:
    def test_is_short_and_committed_without_outputs(self) -> None:
        found = nbformat.read(NOTEBOOKS / "explore.ipynb", as_version=4)
        assert len(found.cells) < 15
        assert list(outputs(found)) == []
        assert found.metadata.kernelspec.name == "python3"

    @pytest.mark.parametrize("python", pythons()[1:])
    def test_runs_with_nothing_set_and_opens_what_is_finished(self, place: Place, python: str) -> None:
        first = executed(nbformat.read(NOTEBOOKS / "explore.ipynb", as_version=4), place, python)
        again = executed(nbformat.read(NOTEBOOKS / "explore.ipynb", as_version=4), place, python)
        bar, *pages = [str(content) for kind, content in outputs(first) if kind == "text/html"]
        assert "<progress" in bar  # it reads a book the first time only
        assert pages == [str(content) for kind, content in outputs(again) if kind == "text/html"]
        assert len(pages) == 7  # books, top, find, neighbours, path, timeline, between
        assert "青石渡" in pages[0]
        assert not any(word in page for page in pages for word in ("http:", "https:", "<script"))
        assert place.sql("SELECT count(*) FROM knowledge_graph_tasks") == [(1,)]  # opened, not built again


class TestRunningLoop:
    def test_build_works_in_a_cell_and_below_a_coroutine(self, place: Place) -> None:
        notebook = of_code(
            "import asyncio, kgnb; assert asyncio.get_event_loop().is_running()",
            "book = kgnb.build(kgnb.story_path(), progress=False)",
            "async def main(): return kgnb.build(kgnb.story_path(), progress=False).result\nawait main()",
            "print(len(book.characters))",
            "book.close()",
        )
        text = "".join(content for kind, content in outputs(executed(notebook, place)) if kind == "stdout")
        assert int(text) > 5

    def test_an_interrupt_is_an_interrupt_and_the_next_cell_goes_on(
        self, place: Place, tmp_path: Path
    ) -> None:
        with llm(latency=0.4) as server:
            notebook = of_code(
                "import kgnb, signal, threading, os\n"
                "threading.Timer(4, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
                "try:\n    kgnb.build(kgnb.story_path(), slots=1, progress=False)\n"
                "except KeyboardInterrupt:\n    print('stopped')",
                "print(kgnb.build(kgnb.story_path(), slots=4, progress=False).result.completed)",
            )
            server.server.latency = 1.0
            shown = executed(notebook, place, **server.env())
            assert "".join(c for kind, c in outputs(shown) if kind == "stdout") == "stopped\n6\n"
            assert server.stats.requests == 6  # what was in flight was waited for

    def test_a_key_never_reaches_the_notebook(self, place: Place) -> None:
        with llm() as server:
            env = server.env(key="sk-canary-in-a-notebook")
            notebook = of_code(
                "import kgnb\nbook = kgnb.build(kgnb.story_path())\nbook",
                "book.show()",
                "from kgnb.core.settings import Settings\nSettings.load()",
            )
            shown = executed(notebook, place, **env)
        assert "sk-canary" not in nbformat.writes(shown)


class TestScripts:
    def test_no_main_guard_is_needed(self, place: Place) -> None:
        script = place.path / "script.py"
        script.write_text(
            "import kgnb\nprint('once')\n"
            f"book = kgnb.build({str(STORY)!r}, 'rules', progress=False)\n"
            "print(book.result.completed, book.save('out.graphml').name)\n",
            "utf-8",
        )
        env = environment(**{place.mark: "1", "KGNB_DATA": str(place.data)})
        ran = subprocess.run(
            [sys.executable, script],
            env=env,
            cwd=place.path,
            capture_output=True,
            text=True,
            timeout=60 * SLOWEST,
        )
        assert (ran.stdout, ran.returncode) == ("once\n6 out.graphml\n", 0), ran.stderr

    def test_asyncio_run_around_it(self, place: Place) -> None:
        code = (
            "import asyncio, kgnb\n"
            "async def main():\n"
            f"    return kgnb.build({str(STORY)!r}, 'rules', progress=False).result.completed\n"
            "print(asyncio.run(main()))\n"
        )
        env = environment(**{place.mark: "1", "KGNB_DATA": str(place.data)})
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env=env,
            cwd=place.path,
            capture_output=True,
            text=True,
            timeout=60 * SLOWEST,
        )
        assert (ran.stdout, ran.returncode) == ("6\n", 0), ran.stderr
