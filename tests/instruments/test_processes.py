"""subprocess, os and pty: arguments are visible to everyone, the environment and standard input are not."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app, put_back, wrapped
from flask import request
from support.installed import MISSING, Process, at, install
from support.web import call

from rasp import runtime as process

NOTHING = [sys.executable, "-S", "-c", ""]


def presented():
    return request.headers["X-API-Key"]


class TestSubprocess(InstrumentContract):
    name = holder = "subprocess"
    hooks = ("subprocess.start",)
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-in-process-args", "error", "defect")

    def subject(self, folder):
        app = flask_app()
        kept = []

        @app.get("/clean")
        def clean():
            kept.append(subprocess.check_output(["cat"], input=presented().encode(), env={"TOKEN": presented()}))
            return {"ok": True}

        @app.get("/defect")
        def defect():
            kept.append(subprocess.run(["echo", "--key", presented()], check=True, stdout=-1).stdout)
            return {"ok": True}

        return Subject(app, lambda: kept)

    def raises(self, subject):
        with pytest.raises(FileNotFoundError) as caught:
            subprocess.call(["/nowhere/at/all"])
        return None, caught.value

    def test_a_library_that_is_not_there_is_waited_for(self):
        assert at(self.points().points[0]) is not MISSING  # os is always there

    def test_a_version_without_a_patch_point_is_left_alone(self, tmp_path, monkeypatch):
        before = Process()
        monkeypatch.delattr(pty, "spawn")
        monkeypatch.delattr(os, "posix_spawnp")
        installed = install(tmp_path)
        try:
            state, _ = installed.state(self.name)
        finally:
            process.uninstall()
        before.check()
        assert state == "installed", "they are on some systems only"

    def test_what_another_tool_keeps_of_ours_is_inert_after_uninstall(self, install_rasp, tmp_path):
        points = [point for point in self.points().points if at(point) is not MISSING]
        before = {point: at(point) for point in points}
        bare = self.outcome(tmp_path / "bare", *self.paths)
        installed = install_rasp()
        theirs = {point: wrapped(at(point)) for point in points}
        try:
            for point, wrapper in theirs.items():
                setattr(*place_of(point), wrapper)
            process.uninstall()
            assert self.outcome(tmp_path / "after", *self.paths) == bare
            assert installed.findings == []
        finally:
            for point in theirs:
                put_back(point, before[point])


def place_of(point):
    *parents, attribute = point.path.split(".")
    target = sys.modules[point.module]
    for name in parents:
        target = getattr(target, name)
    return target, attribute


def served(installed, function, key=KEY):
    """(rule, severity, function) of what is found while a view does this."""
    app = flask_app()
    app.add_url_rule("/", "view", lambda: function(presented()) or "ok")
    call(app, "/", {"X-API-Key": key})
    return [(found.rule, found.severity.word, found.location.function) for found in getattr(installed, "findings", ())]


def by_run(key):
    subprocess.run([*NOTHING, key], check=True)


def by_shell(key):
    subprocess.check_output(f"echo {key}", shell=True)


def by_path_and_bytes(key):
    subprocess.call([*NOTHING, Path(key), key.encode()])


def by_named_arguments(key):
    subprocess.Popen(args=(*NOTHING, f"--key={key}")).wait()


def by_posix_spawn_inside_subprocess(key):
    subprocess.run([*NOTHING, key], close_fds=False, check=True)


def by_system(key):
    os.system(f"true {key}")


def by_popen(key):
    os.popen(f"true {key}").close()


def by_spawn(key):
    os.spawnl(os.P_WAIT, "/bin/true", "true", key)


def by_spawn_on_the_path(key):
    os.spawnlp(os.P_WAIT, "true", "true", key)


def by_posix_spawn(key):
    os.waitpid(os.posix_spawn("/bin/true", ["true", key], os.environ), 0)


def by_exec(key):
    with pytest.raises(FileNotFoundError):
        os.execv("/nowhere/at/all", ["it", key])


def by_exec_on_the_path(key):
    with pytest.raises(FileNotFoundError):
        os.execlp("nowhere-at-all", "it", key)


def by_terminal(key):
    pty.spawn(["true", key], lambda descriptor: b"")


def by_asyncio(key):
    async def work():
        await (await asyncio.create_subprocess_exec(*NOTHING, key)).wait()

    asyncio.run(work())


def by_asyncio_shell(key):
    async def work():
        await (await asyncio.create_subprocess_shell(f"true {key}")).wait()

    asyncio.run(work())


@pytest.mark.parametrize("way", [value for name, value in sorted(globals().items()) if name.startswith("by_")])
def test_every_way_is_one_event(observe, way):
    ((rule, severity, function),) = served(observe, way)
    assert (rule, severity) == ("raw-token-in-process-args", "error")
    assert function in (way.__name__, "work")


def environment(key):
    subprocess.run(NOTHING, env={**os.environ, "TOKEN": key}, check=True)
    os.spawnve(os.P_WAIT, "/bin/true", ["true"], {"TOKEN": key})


def standard_input(key):
    subprocess.run(NOTHING, input=key.encode(), check=True)


def ordinary(key):
    subprocess.call(["git", "status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.system("true git log --format=%H")
    subprocess.run([*NOTHING, key[:8]], check=True)


@pytest.mark.parametrize("way", [environment, standard_input, ordinary])
def test_what_is_no_argument_is_no_exposure(observe, way):
    assert served(observe, way) == []


def test_a_service_secret_is_found_too(observe):
    secret = "sv" + KEY[::-1]
    observe.runtime.ledger.own(secret, "env:PEPPER")

    def view(key):
        subprocess.run([*NOTHING, secret], check=True)

    assert served(observe, view) == [("raw-token-in-process-args", "error", "view")]


def test_strict_raises_before_the_process_is_started(install_rasp, tmp_path):
    install_rasp(mode="strict")

    def view(key):
        os.system(f"touch {tmp_path}/made; true {key}")

    with pytest.raises(Exception, match="RASP208"):
        served(None, view)
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_can_be_gone_through_once_are_passed_on(observe):
    def view(key):
        assert subprocess.run(iter(["echo", "a"]), capture_output=True, check=True).stdout == b"a\n"

    assert served(observe, view) == []


def test_functions_are_pickled_by_name(install_rasp):
    bare = [pickle.dumps(function) for function in (os.system, os.execve, pickle.dump, open)]
    install_rasp()
    assert [pickle.dumps(function) for function in (os.system, os.execve, pickle.dump, open)] == bare
    assert pickle.loads(bare[0]) is os.system


def test_functions_stay_what_they_were(install_rasp):
    def looks():
        functions = (os.system, os.execve, os.execv, subprocess.Popen.__init__, os._execvpe, pty.spawn)
        told = [(repr(one).partition(" at ")[0], one.__name__, one.__doc__, one.__module__) for one in functions]
        return told, [str(inspect.signature(one)) for one in functions], os.execve in os.supports_fd

    bare = looks()
    install_rasp()
    assert looks() == bare


@pytest.mark.parametrize("arguments", [(), (3,), (None,), ([],), (["true", None],), ([b"true", 3],), ("",)])
def test_wrong_arguments_fail_as_before(install_rasp, arguments):
    def told(function):
        try:
            return str(function(*arguments))[:20]
        except (TypeError, ValueError, OSError, IndexError) as error:
            return type(error), str(error)

    def all_told():
        return [
            told(one) for one in (subprocess.call, os.system, lambda *rest: os.spawnv(os.P_WAIT, "/bin/true", *rest))
        ]

    bare = all_told()
    install_rasp()
    served(None, lambda key: pytest.fail("differs") if all_told() != bare else None)
