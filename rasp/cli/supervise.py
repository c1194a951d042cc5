"""Runs a command in our process group and stands in for it: signals go down, its status comes up.

``posix_spawn``, not ``subprocess``: it hands down inherited descriptors (a socket that a service manager
opened) and the signal mask exactly, runs no Python code after a fork, and costs no import.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

FORWARDED = frozenset(
    {
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
        signal.SIGTTIN,  # gunicorn: one worker more
        signal.SIGTTOU,  # gunicorn: one worker less
    }
)
WATCHED = FORWARDED | {signal.SIGCHLD}
FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU})


@contextmanager
def signals_held() -> Iterator[Collection[int]]:
    """Blocks the watched signals, so that none is lost or ends us; yields the mask the child shall have."""
    # Elsewhere than on Linux, a signal that is ignored by default is dropped even while blocked.
    handlers = {number: signal.signal(number, _nothing) for number in (signal.SIGCHLD, signal.SIGWINCH)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        yield before
    finally:
        while pending := signal.sigpending() & WATCHED:
            signal.sigwait(pending)  # too late for the child; our status is what it left
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def supervise(command: list[str], environ: Mapping[str, str], mask: Collection[int]) -> int:
    """Runs the command to its end and returns its exit status, ``128 + n`` if signal n ended it.

    Called with signals held.

    Raises:
        OSError: it cannot be started.
    """
    child = os.posix_spawnp(
        command[0],
        command,
        environ,
        setsigmask=mask,
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # which Python ignores for itself
    )
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
        number, sent_to_us = _next_signal()
        if number in FORWARDED and sent_to_us:
            os.kill(child, number)


def _next_signal() -> tuple[int, bool]:
    """Waits for a signal; says whether it was sent to us alone.

    What the terminal sends (Ctrl-C) goes to the whole process group: the child has it already, and a second
    one would interrupt its clean-up. The kernel's own signals bear a positive code.
    """
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(WATCHED)
        return info.si_signo, info.si_code <= 0
    number = signal.sigwait(WATCHED)
    return number, number not in FROM_TERMINAL or not os.isatty(0)


def _nothing(*_: object) -> None:
    """A handler that is never called: its signal is blocked while it is in place."""
