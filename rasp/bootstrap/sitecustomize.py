"""Switches rasp on in every Python process below ``rasp run``, before the program's first line.

``rasp run`` puts this folder first on ``PYTHONPATH``, so that Python's own start-up imports this file. It
takes the folder off ``sys.path`` again (the variable stays, for grandchildren), lets the ``sitecustomize``
that it stands in for run, and marks the process as started. rasp itself is installed with the first import that
concerns it, so that a program which has nothing to watch starts as fast as without. Whatever fails here is one
line on standard error: the program runs as if rasp were not there. It may be run by a Python that cannot run
rasp, hence the plain syntax.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

FOLDER = os.path.dirname(__file__)
PACKAGE = os.path.dirname(os.path.abspath(FOLDER))
OLDEST = (3, 11)


def bootstrap() -> None:
    """All of the above, in that order."""
    sys.path[:] = [entry for entry in sys.path if entry != FOLDER]
    sys.path_importer_cache.pop(FOLDER, None)
    run_shadowed()
    try:
        if sys.version_info < OLDEST:
            raise RuntimeError
        wait_or_install()
    except Exception as error:  # noqa: BLE001 - the program must start, whatever is wrong with rasp
        report(error)
    else:
        mark("started-" + str(os.getpid()))


def run_shadowed() -> None:
    """Imports the ``sitecustomize`` further down the path, if any; errors are reported as by Python."""
    ours = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except Exception as error:  # noqa: BLE001 - what Python's site module does with them
        if getattr(error, "name", None) == __name__:
            pass  # there is none
        elif sys.flags.verbose:
            sys.excepthook(*sys.exc_info())
        else:
            say("Error in sitecustomize; set PYTHONVERBOSE for traceback:\n" + type(error).__name__ + ": " + str(error))
    finally:
        sys.modules.setdefault("sitecustomize", ours)  # importlib wants to find a module there when this one ends


def wait_or_install() -> None:
    """Installs rasp now where something of it may be needed at once, else with the first import that concerns it."""
    if os.environ.get("_RASP_MAY_WAIT") and not has_secrets():
        names = concerned()
        if names.isdisjoint(sys.modules):
            finders: list[object] = sys.meta_path  # type: ignore[assignment]
            finders.insert(0, Waiting(names))
            return
    install()


def concerned() -> set[str]:
    """The modules whose import concerns rasp: those of its instruments, but for what is always there."""
    from importlib.machinery import SourceFileLoader
    from types import ModuleType

    loader = SourceFileLoader("_rasp_rows", os.path.join(PACKAGE, "instruments", "rows.py"))
    rows = ModuleType(loader.name)
    loader.exec_module(rows)
    names: set[str] = {module for row in rows.ROWS for module in row[2]} - rows.ALWAYS | rows.NATIVE
    return names


def has_secrets() -> bool:
    """Whether the environment holds a secret of the app's own, which may turn up anywhere."""
    own = ("API_KEY", "_TOKEN", "_SECRET", "SECRET_KEY", "_ACCESS_KEY", "_PASSWORD", "_PASS")
    return any(name.upper().endswith(own) and not name.startswith(("RASP_", "_RASP_")) for name in os.environ)


class Waiting:
    """A finder at the front of ``sys.meta_path``: it finds nothing, but installs rasp when it is asked for a name."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """The finder protocol: once rasp is installed, what the others find, rasp's own among them."""
        if name not in self.names:
            return None
        self.rasp_pending()
        import _frozen_importlib

        find: object = getattr(_frozen_importlib, "_find_spec")  # noqa: B009 - no stub knows it
        return find(name, path, target)  # type: ignore[operator]

    def rasp_pending(self) -> None:
        """Installs rasp, once; ``rasp.runtime`` calls this too when the program asks for rasp first."""
        finders: list[object] = sys.meta_path  # type: ignore[assignment]
        if self in finders:
            finders.remove(self)
            try:
                install()
            except Exception as error:  # noqa: BLE001 - as at the start
                report(error)
                unmark("started-" + str(os.getpid()))


def install() -> None:
    """Installs this environment's rasp; where it has none, the one that this file belongs to.

    That one is loaded without a place on ``sys.path``: the program's imports find what they would find.
    """
    try:
        import rasp.runtime
    except ModuleNotFoundError as error:
        if error.name not in ("rasp", "rasp.runtime") or getattr(sys.modules.get("rasp"), "__file__", None):
            raise
        try:
            adopt()
            import rasp.runtime
        except BaseException:
            forget()
            raise
    rasp.runtime.install()


def adopt() -> None:
    """Makes the folder above the importable package ``rasp``."""
    import importlib.util

    place = os.path.join(PACKAGE, "__init__.py")
    spec = importlib.util.spec_from_file_location("rasp", place, submodule_search_locations=[PACKAGE])
    assert spec is not None
    assert spec.loader is not None
    forget()
    module = importlib.util.module_from_spec(spec)
    sys.modules["rasp"] = module
    spec.loader.exec_module(module)


def forget() -> None:
    """Takes rasp out of the loaded modules: a later ``import rasp`` of the program does what it would do."""
    for name in [name for name in sys.modules if name == "rasp" or name.startswith("rasp.")]:
        del sys.modules[name]


def report(error: Exception) -> None:
    """One line that names what failed, without values; once per run and interpreter, not once per process."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST:
        what = "rasp needs Python 3.11 or newer"
    elif isinstance(error, ImportError) and error.name:
        what = "cannot import " + error.name + "; install rasp into this environment"
    elif type(error).__name__ == "ConfigError":
        what = str(error)
    else:
        what = type(error).__name__ + place(error.__traceback__)
    if mark("failed-" + type(error).__name__ + sys.prefix.replace(os.sep, "_")[-200:]):
        say("rasp: not watching " + (sys.executable or "this program") + " (Python " + python + "): " + what)


def place(traceback: TracebackType | None) -> str:
    """Where it was raised: `` in file.py:12``."""
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return " in " + os.path.basename(traceback.tb_frame.f_code.co_filename) + ":" + str(traceback.tb_lineno)


def mark(name: str) -> bool:
    """Leaves an empty file for ``rasp run``, whose folder may be gone; false if the file was there."""
    folder = os.environ.get("_RASP_RUN_FOLDER")
    if folder:
        try:
            os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        except OSError:
            pass
    return True


def unmark(name: str) -> None:
    """Takes such a file away again."""
    try:
        os.unlink(os.path.join(os.environ.get("_RASP_RUN_FOLDER", ""), name))
    except OSError:
        pass


def say(line: str) -> None:
    """Writes to standard error, which an embedded interpreter may not have."""
    try:
        sys.stderr.write(line + "\n")
    except (AttributeError, OSError, ValueError):
        pass


bootstrap()
