"""Calls back after a module's own code has run, however it is imported, and leaves importing to the others."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading

import pytest

from rasp.patching.watch import ImportWatch


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """A watch, and a folder on the path; all modules of the folder are forgotten at the end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    watching = ImportWatch()
    yield watching
    watching.stop()
    for name in set(sys.modules) - before:
        if name.startswith("watched"):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def write(tmp_path):
    def write(path, source):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(source)
        importlib.invalidate_caches()

    return write


def test_a_module_that_is_there_is_told_at_once(watch):
    seen = []
    before = list(sys.meta_path)
    watch.when_imported("json", seen.append)
    assert seen == [sys.modules["json"]]
    assert sys.meta_path == before, "nothing to wait for, nothing to install"


def test_a_module_is_told_once_its_code_has_run(watch, write):
    write("watched_a.py", "first = 1\nlast = 2\n")
    seen = []
    watch.when_imported("watched_a", lambda module: seen.append((module.first, module.last)))
    assert seen == []
    import watched_a

    importlib.import_module("watched_a")
    assert seen == [(1, 2)]
    assert watched_a.__spec__.loader.get_source("watched_a") == "first = 1\nlast = 2\n"
    assert "exec_module" not in vars(watched_a.__spec__.loader), "the loader is as it was"


def test_all_callbacks_run_in_order(watch, write):
    write("watched_b.py", "")
    seen = []
    for name in "xyz":
        watch.when_imported("watched_b", lambda module, name=name: seen.append(name))
    importlib.import_module("watched_b")
    assert seen == ["x", "y", "z"]


def test_submodules_are_told_by_themselves(watch, write):
    write("watched_c/__init__.py", "from watched_c import inner\n")
    write("watched_c/inner.py", "value = 3\n")
    seen = []
    watch.when_imported("watched_c.inner", lambda module: seen.append(module.__name__))
    watch.when_imported("watched_c", lambda module: seen.append(module.__name__))
    importlib.import_module("watched_c")
    assert seen == ["watched_c.inner", "watched_c"]


def test_a_module_whose_code_raises_is_not_told_until_it_imports(watch, write):
    write("watched_d.py", "raise RuntimeError('half way')\n")
    seen = []
    watch.when_imported("watched_d", seen.append)
    with pytest.raises(RuntimeError, match="half way"):
        importlib.import_module("watched_d")
    assert seen == []
    assert "watched_d" not in sys.modules
    write("watched_d.py", "works_now = True\n")
    assert importlib.import_module("watched_d").works_now
    assert [module.__name__ for module in seen] == ["watched_d"]


def test_a_missing_module_stays_missing(watch):
    seen = []
    watch.when_imported("watched_nowhere", seen.append)
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("watched_nowhere")
    assert caught.value.name == "watched_nowhere"
    assert importlib.util.find_spec("watched_nowhere") is None
    assert seen == []


def test_finding_a_spec_does_not_count_as_an_import(watch, write):
    write("watched_e.py", "")
    seen = []
    watch.when_imported("watched_e", seen.append)
    assert importlib.util.find_spec("watched_e").origin.endswith("watched_e.py")
    assert seen == []
    importlib.import_module("watched_e")
    assert len(seen) == 1


def test_a_reload_is_not_told_again(watch, write):
    write("watched_f.py", "")
    seen = []
    watch.when_imported("watched_f", seen.append)
    importlib.reload(importlib.import_module("watched_f"))
    assert len(seen) == 1


def test_a_module_is_never_told_half_imported(watch, write):
    """Whoever asks from inside a module's own import is not told of that import any more."""
    write("watched_g.py", "import watched_installs\nlast = 1\n")
    write("watched_installs.py", "import sys\nsys.watched_hook()\n")
    seen = []
    sys.watched_hook = lambda: watch.when_imported("watched_g", lambda module: seen.append(hasattr(module, "last")))
    try:
        importlib.import_module("watched_g")
    finally:
        del sys.watched_hook
    assert seen == []


def test_two_threads_import_once_and_are_told_once(watch, write):
    write("watched_h.py", "import threading\nloaded_by = threading.current_thread().name\n")
    seen = []
    watch.when_imported("watched_h", seen.append)
    together = threading.Barrier(4)

    def load():
        together.wait(20)
        importlib.import_module("watched_h")

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(seen) == 1


def test_stop_takes_the_finder_away_and_forgets_the_callbacks(watch, write):
    write("watched_i.py", "")
    seen = []
    before = list(sys.meta_path)
    watch.when_imported("watched_i", seen.append)
    assert sys.meta_path[0] is watch
    watch.stop()
    assert sys.meta_path == before
    importlib.import_module("watched_i")
    assert seen == []


def test_builtin_and_namespace_modules_import_as_ever(watch, write, tmp_path):
    (tmp_path / "watched_space").mkdir()
    seen = []
    watch.when_imported("watched_space", seen.append)
    assert importlib.import_module("watched_space").__path__
    watch.when_imported("nt", seen.append)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nt")
