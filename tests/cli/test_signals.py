"""``rasp run`` stands in for its command: signals reach it once, and find it as they would without rasp."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from rasp.cli.supervise import FORWARDED

LISTEN = """\
import signal, sys
expected = {numbers!r}
signal.pthread_sigmask(signal.SIG_BLOCK, expected)
print("ready", flush=True)
for _ in expected:
    print(int(signal.sigwait(expected)), flush=True)
"""

COUNT_INTERRUPTS = """\
import os, signal
seen = 0
def interrupted(*_):
    global seen
    seen += 1
    os.write({writer}, b"interrupted\\n")
def ended(*_):
    os.write({writer}, b"%d\\n" % seen)
    os._exit(0)
signal.signal(signal.SIGINT, interrupted)
signal.signal(signal.SIGTERM, ended)
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)  # and no pause(), which a signal just before it does not end
os.write({writer}, b"ready\\n")
while True:
    os.read(woken, 1)
"""

SPAWN_ON_TERMINAL = """\
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_every_signal_is_handed_on(started):
    numbers = sorted(int(number) for number in FORWARDED)
    process = started("run", "--", sys.executable, "-c", LISTEN.format(numbers=numbers))
    assert process.stdout.readline() == "ready\n"
    for number in numbers:
        process.send_signal(number)
        assert process.stdout.readline() == f"{number}\n"
    assert process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_command_that_a_signal_ends_gives_128_and_its_number(started, number):
    default = f"import signal; signal.signal({number:d}, signal.SIG_DFL)"
    code = f"{default}; print('ready', flush=True); signal.pause()"
    process = started("run", "--", sys.executable, "-c", code)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait() == 128 + number


def test_a_command_that_handles_a_signal_gives_its_own_status_and_leaves_nothing_behind(started, rasp):
    code = (
        "import select, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9));"
        "print('ready', flush=True); [select.select([], [], [], 0.05) for _ in iter(int, 1)]"
    )
    process = started("run", "--", sys.executable, "-c", code, TMPDIR=str(rasp.folder))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 9
    assert os.listdir(rasp.folder) == []


def test_ctrl_c_reaches_the_command_once(rasp):
    ours, theirs = pty.openpty()
    reader, writer = os.pipe()
    command = [*rasp.prefix, "run", "--", sys.executable, "-c", COUNT_INTERRUPTS.format(writer=writer)]
    process = subprocess.Popen(
        [sys.executable, "-c", SPAWN_ON_TERMINAL, *command],
        cwd=rasp.folder,
        env=rasp.environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        pass_fds=[writer],
    )
    os.close(theirs)
    os.close(writer)
    with os.fdopen(reader) as answers:
        assert answers.readline() == "ready\n"
        os.write(ours, b"\x03")
        assert answers.readline() == "interrupted\n"
        process.send_signal(signal.SIGTERM)
        assert answers.readline() == "1\n"
    assert process.wait() == 0
    os.close(ours)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the signal state from /proc")
@pytest.mark.parametrize("ignored", [(), (signal.SIGHUP, signal.SIGINT)])
def test_the_command_has_the_signal_mask_and_dispositions_it_would_have(rasp, ignored):
    def state(*prefix):
        code = (
            f"import os, signal, sys; [signal.signal(n, signal.SIG_IGN) for n in {list(map(int, ignored))}];"
            "signal.signal(signal.SIGPIPE, signal.SIG_DFL); signal.signal(signal.SIGXFSZ, signal.SIG_DFL);"
            "os.execvp(sys.argv[1], sys.argv[1:])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *prefix, "cat", "/proc/self/status"],
            env=rasp.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [line.split() for line in done.stdout.splitlines() if line.startswith("Sig")]
        # Not the two signals that libc keeps to itself: every program sets them up when it needs them.
        return {name: int(mask, 16) & ~(0b11 << 31) for name, mask, *_ in lines if name != "SigQ:"}

    assert state(*rasp.prefix, "run", "--") == state()
