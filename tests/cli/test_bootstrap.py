"""What ``rasp run`` does in the Python processes below it: rasp is on, and all else is as without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

ACTIVE = "import rasp.runtime; print(rasp.runtime.active() is not None, flush=True)"
PATH = "import json, sys; print(json.dumps(sys.path))"
LIBRARIES = (
    "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules"
    " if not name.startswith('_sysconfigdata')} - sys.stdlib_module_names - {'rasp', 'sitecustomize'})))"
)


@pytest.fixture
def bare(rasp):
    """``bare(code)``: what the code prints as JSON without rasp."""

    def run(code, **variables):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=rasp.folder,
            env=rasp.environ | variables,
            capture_output=True,
            check=True,
        )
        return json.loads(done.stdout)

    return run


class TestRaspIsOn:
    def test_in_code_scripts_and_modules(self, rasp):
        (rasp.folder / "program.py").write_text(ACTIVE)
        python = ("run", "--", sys.executable)
        for arguments in (("-c", ACTIVE), ("program.py",), ("-m", "program")):
            done = rasp(*python, *arguments)
            assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)

    def test_in_grandchildren(self, rasp):
        code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ACTIVE!r}])"
        assert rasp("run", "--", "sh", "-c", f'"{sys.executable}" -c "$0"', code).stdout == "True\n"

    def test_in_spawned_workers(self, rasp):
        (rasp.folder / "program.py").write_text(
            "import multiprocessing\n"
            f"def work():\n    {ACTIVE}\n"
            "if __name__ == '__main__':\n"
            "    worker = multiprocessing.get_context('spawn').Process(target=work)\n"
            "    worker.start(); worker.join()\n"
        )
        assert rasp("run", "--", sys.executable, "program.py").stdout == "True\n"

    def test_in_what_a_reloader_starts(self, rasp):
        (rasp.folder / "program.py").write_text(
            "import os\nfrom werkzeug.serving import run_simple\n"
            f"if os.environ.get('WERKZEUG_RUN_MAIN'):\n    {ACTIVE}\n    os._exit(5)\n"
            "run_simple('127.0.0.1', 0, lambda *_: [], use_reloader=True)\n"
        )
        done = rasp("run", "--", sys.executable, "program.py")
        assert (done.stdout, done.returncode) == ("True\n", 5)

    def test_in_every_worker_of_a_preloading_gunicorn(self, rasp, started):
        pytest.importorskip("gunicorn")
        (rasp.folder / "program.py").write_text("def app(environ, start_response): ...\n")
        (rasp.folder / "settings.py").write_text(
            "import os, rasp.runtime\n"
            "bind, workers, preload_app, control_socket_disable = '127.0.0.1:0', 2, True, True\n"
            "def post_worker_init(worker):\n"
            "    os.write(1, b'%d\\n' % (rasp.runtime.active() is not None))\n"
        )
        process = started("run", "--", sys.executable, "-m", "gunicorn", "-c", "settings.py", "program:app")
        assert [process.stdout.readline() for _ in range(2)] == ["1\n", "1\n"]
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0

    def test_when_rasp_is_started_as_a_module(self, rasp, checkout):
        rasp.prefix = [sys.executable, "-m", "rasp"]
        rasp.folder = checkout
        assert rasp.python(ACTIVE).stdout == "True\n"


class TestThePath:
    def test_is_what_it_is_without_rasp(self, rasp, bare):
        assert rasp.answer(PATH) == bare(PATH)

    def test_keeps_the_order_of_the_variable(self, rasp, bare):
        for name in "ab":
            (rasp.folder / name).mkdir()
        given = os.pathsep.join(str(rasp.folder / name) for name in ("b", "a"))
        path = rasp.answer(PATH, PYTHONPATH=given)
        assert path == bare(PATH, PYTHONPATH=given)
        assert path[1:3] == given.split(os.pathsep)

    def test_has_no_working_directory_that_was_not_there(self, rasp, checkout):
        program = rasp.folder / "program.py"
        program.write_text(PATH)
        rasp.prefix = [sys.executable, "-m", "rasp"]
        rasp.folder = checkout
        done = rasp("run", "--", sys.executable, program, PYTHONPATH="")
        assert str(checkout) not in json.loads(done.stdout)
        assert "" not in json.loads(done.stdout)

    def test_of_a_run_inside_a_run_names_our_folder_once(self, rasp):
        show = "import json, os; print(json.dumps(os.environ['PYTHONPATH']))"
        done = rasp("run", "--", *rasp.prefix, "run", "--", sys.executable, "-c", show, PYTHONPATH="/x")
        ours, rest = json.loads(done.stdout).split(os.pathsep)
        assert (os.path.basename(ours), rest) == ("bootstrap", "/x")


def test_no_library_is_imported_that_the_program_has_not_imported(rasp, bare):
    assert rasp.answer(LIBRARIES) == bare(LIBRARIES)


class TestTheSitecustomizeThatOursShadows:
    def place(self, rasp, code):
        folder = rasp.folder / "site"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        return str(folder)

    def test_runs_and_is_the_module_of_that_name(self, rasp):
        folder = self.place(rasp, "import builtins; builtins.marked = 'theirs'")
        code = f"import sitecustomize; print(marked, sitecustomize.__file__); {ACTIVE}"
        done = rasp.python(code, PYTHONPATH=folder)
        assert done.stdout == f"theirs {folder}/sitecustomize.py\nTrue\n"
        assert done.stderr == ""

    @pytest.mark.parametrize("code", ["1 / 0", "import no_such_module", "import os; os.environ['no such']"])
    def test_fails_as_it_does_without_rasp(self, rasp, code):
        folder = self.place(rasp, code)
        done = rasp.python(ACTIVE, PYTHONPATH=folder)
        alone = subprocess.run(
            [sys.executable, "-c", "pass"],
            env=rasp.environ | {"PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=True,
        )
        assert alone.stderr != ""
        assert (done.stdout, done.stderr) == ("True\n", 2 * alone.stderr)  # rasp's own process has it, too

    def test_that_is_missing_is_no_error(self, rasp):
        assert rasp.python(ACTIVE).stderr == ""


class TestAFailureOfRasp:
    def place(self, rasp, runtime):
        package = rasp.folder / "other" / "rasp"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "runtime.py").write_text(runtime)
        return str(package.parent)

    def test_is_one_line_that_names_it_without_values(self, rasp):
        folder = self.place(rasp, "def install():\n    raise ValueError('a-secret-value-of-the-app')\n")
        done = rasp.python("import logging; print('ran')", PYTHONPATH=folder)
        assert (done.stdout, done.returncode) == ("ran\n", 0)
        line, summary = done.stderr.splitlines()
        assert line.startswith(f"rasp: not watching {sys.executable} (Python 3.")
        assert line.endswith("ValueError in runtime.py:2")
        assert "could not be loaded" in summary
        assert "a-secret-value" not in done.stderr

    def test_names_what_this_environment_lacks(self, rasp):
        done = rasp.python("import logging; print('ran')", PYTHONPATH=self.place(rasp, "import no_such_library\n"))
        assert (done.stdout, done.returncode) == ("ran\n", 0)
        assert "cannot import no_such_library; install rasp into this environment" in done.stderr

    def test_is_not_met_by_a_program_that_imports_nothing_which_concerns_rasp(self, rasp):
        done = rasp.python("print('ran')", PYTHONPATH=self.place(rasp, "import no_such_library\n"))
        assert (done.stdout, done.stderr, done.returncode) == ("ran\n", "", 0)

    def test_is_said_once_a_run(self, rasp):
        folder = self.place(rasp, "def install():\n    raise ValueError\n")
        code = "import subprocess, sys; [subprocess.run([sys.executable, '-c', 'import logging']) for _ in range(3)]"
        assert rasp.python(code, PYTHONPATH=folder).stderr.count("not watching") == 1

    def test_fails_the_run_with_fail_on(self, rasp):
        folder = self.place(rasp, "import no_such_library\n")
        assert rasp.python("pass", "--fail-on", "error", PYTHONPATH=folder).returncode == 1

    def test_does_not_stop_a_program_whose_run_is_over(self, rasp):
        done = rasp.python(f"import os, shutil; shutil.rmtree(os.environ['_RASP_RUN_FOLDER']); {ACTIVE}")
        assert done.stdout == "True\n"
