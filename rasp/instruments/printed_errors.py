"""Warnings, tracebacks and uncaught exceptions as Python prints them, and the records that logging could not render.

They are judged only where they go to a console or a file: what is rendered into a ``StringIO``, or recorded as pytest
records warnings, is judged by whatever writes it. Not patched: ``traceback.format_exc`` and ``formatwarning``, whose
text goes to the app; ``print_tb`` and ``print_stack``, which show no values; an ``excepthook`` of the app's own.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

from rasp.instruments import documents
from rasp.instruments.kit import Kit
from rasp.instruments.printed import Printed, is_read
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.local import Local
from rasp.patching.patches import Make, PatchPoint, named_like

_FAULTHANDLER = "faulthandler: it writes from a signal handler in C, and only places"


class Telling:
    """Whether this thread prints what has been judged already; a context."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = False

    def __enter__(self) -> None:
        self.now = True

    def __exit__(self, *error: object) -> None:
        self.now = False


class PrintedErrors:
    """Judges what Python itself prints about errors.

    Attributes:
        telling: as of Python 3.13 an excepthook prints through the module ``traceback``.
    """

    def __init__(self, kit: Kit) -> None:
        self.telling = Local(Telling)
        self._kit = kit
        self._printed = Printed(kit)

    def warned(self, message: Any, text: Any) -> Verdict | None:
        """A warning is about to be printed."""
        hits = self._printed.hits(text)
        if not hits or not is_read(message.file):
            return None
        return self._printed.report(text, hits, "warnings", None)

    def traced(self, trace: Any, file: Any, options: dict[str, Any]) -> Verdict | None:
        """A traceback is about to be printed."""
        if self.telling.get().now or not is_read(file) or not self._printed.watchful():
            return None
        return self._late("".join(trace.format(**options)), trace, "traceback", raisable=True)

    def debugged(self, trace: Any, text: str) -> None:
        """Werkzeug's debugger writes a traceback to the server's errors, after the request has failed."""
        self._late(text, trace._te, "werkzeug.debug", raisable=False)

    def _late(self, text: str, trace: Any, holder: str, *, raisable: bool) -> Verdict | None:
        hits, scope = self._printed.late_hits(text)
        if not hits:
            return None
        # Once the request is over, whatever app code is on the stack is the server's or a test's.
        place = self._printed.stack_of(trace.stack) if scope is not None or not self._printed.here() else None
        return self._printed.report(text, hits, holder, None, place, raisable=raisable and scope is None, scope=scope)

    def uncaught(self, error: Any, trace: Any, thread: str | None) -> Verdict | None:
        """An exception ends a thread, or the process, and is printed; nobody could catch another one."""
        if not self._printed.watchful() or sys.stderr is None or error is None or isinstance(error, SystemExit):
            return None
        import traceback

        text = "".join(traceback.format_exception(type(error), error, trace))
        if thread is not None:
            text = f"Exception in thread {thread}:\n{text}"
        hits = self._printed.hits(text)
        if not hits:
            return None
        place = self._printed.raised_at(trace)
        return self._printed.report(text, hits, "excepthook", None, place, raisable=False)

    def unlogged(self, record: Any) -> Any:
        """``logging`` prints a record that it failed to write; what it should print instead, if anything."""
        logging = sys.modules["logging"]
        if not logging.raiseExceptions or not sys.stderr:
            return None
        values = self._kit.ledger.values
        if not documents.texts({"msg": record.msg, "args": record.args}, values):
            return None
        message, arguments = repr(record.msg), str(record.args)
        text = f"Message: {message}\nArguments: {arguments}"
        hits = self._printed.hits(text)
        places = self._kit.ledger.places
        place = None
        if self._kit.ledger.scopes.here() is None or places.is_app(record.pathname):
            place = places.location(record.pathname, record.lineno, record.funcName or "<module>")
        verdict = self._printed.report(text, hits, "logging", record.name, place, raisable=False) if hits else None
        if verdict is None or verdict.text is None:
            return None
        shown = copy.copy(record)
        masked, _, rest = verdict.text.removeprefix("Message: ").partition("\nArguments: ")
        shown.msg, shown.args = _Shown(masked), _Shown(rest)
        return shown


class _Shown:
    """What is printed in an object's place."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _warnings(kit: Kit, errors: PrintedErrors) -> Instrument:
    warned = kit.hook("warnings.print", errors.warned)

    def make(original: Any) -> Any:
        def _formatwarnmsg(msg: Any) -> Any:
            text = original(msg)
            verdict = warned(msg, text)
            if verdict is None:
                return text
            if verdict.exception is not None:
                raise verdict.exception
            return text if verdict.text is None else verdict.text

        return named_like(original, _formatwarnmsg)

    # Not showwarning, nor what it calls: warnings.catch_warnings puts those back.
    return Instrument("warnings", "python", ">=3.11", (PatchPoint("warnings", "_formatwarnmsg", make),))


def _traceback(kit: Kit, errors: PrintedErrors) -> Instrument:
    traced = kit.hook("traceback.print", errors.traced)

    def make(original: Any) -> Any:
        def printed(self: Any, *, file: Any = None, **options: Any) -> Any:
            verdict = traced(self, file, options)
            if verdict is None or verdict.text is None:
                original(self, file=file, **options)
            else:
                print(verdict.text, file=sys.stderr if file is None else file, end="")
            if verdict is not None and verdict.exception is not None:
                raise verdict.exception

        return named_like(original, printed)

    return Instrument("traceback", "python", ">=3.11", (PatchPoint("traceback", "TracebackException.print", make),))


def _debugger(kit: Kit, errors: PrintedErrors) -> Instrument:
    debugged = kit.hook("werkzeug.debug", errors.debugged)

    def make(original: Any) -> Any:
        def render_traceback_text(self: Any) -> Any:
            text = original(self)
            debugged(self, text)
            return text

        return named_like(original, render_traceback_text)

    point = PatchPoint("werkzeug.debug.tbtools", "DebugTraceback.render_traceback_text", make)
    return Instrument("werkzeug.debug", "werkzeug", ">=2.2", (point,))


def _excepthooks(kit: Kit, errors: PrintedErrors) -> Instrument:
    uncaught = kit.hook("excepthook.print", errors.uncaught)

    def in_process(original: Any) -> Any:
        def excepthook(kind: Any, value: Any, trace: Any) -> Any:
            verdict = uncaught(value, trace, None)
            if verdict is None or verdict.text is None:
                with errors.telling.get():
                    return original(kind, value, trace)
            return sys.stderr.write(verdict.text)

        return named_like(original, excepthook)

    def in_thread(original: Any) -> Any:
        def excepthook(args: Any) -> Any:
            name = args.thread.name if args.thread is not None else None
            verdict = uncaught(args.exc_value, args.exc_traceback, name)
            if verdict is None or verdict.text is None:
                with errors.telling.get():
                    return original(args)
            return sys.stderr.write(verdict.text)

        return named_like(original, excepthook)

    return Instrument(
        "excepthook",
        "python",
        ">=3.11",
        (*_both("sys", in_process), *_both("threading", in_thread)),
        ("an excepthook of the app's own: its text is known to nobody else", _FAULTHANDLER),
    )


def _both(module: str, make: Make) -> tuple[PatchPoint, PatchPoint]:
    """A hook and its default under both names: many ask whether ``sys.excepthook is sys.__excepthook__``."""
    made: list[tuple[Any, Any]] = []

    def default(original: Any) -> Any:
        if not made or made[0][0] is not original:
            made[:] = [(original, make(original))]
        return made[0][1]

    def current(original: Any) -> Any:
        return default(original) if original is sys.modules[module].__excepthook__ else original

    return PatchPoint(module, "excepthook", current), PatchPoint(module, "__excepthook__", default)


def _logging_errors(kit: Kit, errors: PrintedErrors) -> Instrument:
    unlogged = kit.hook("logging.error", errors.unlogged)

    def make(original: Any) -> Any:
        def handleError(self: Any, record: Any) -> Any:  # noqa: N802 - logging's name
            shown = unlogged(record)
            return original(self, record if shown is None else shown)

        return named_like(original, handleError)

    return Instrument(
        "logging.errors",
        "python",
        ">=3.11",
        (PatchPoint("logging", "Handler.handleError", make),),
        ("values inside objects whose repr logging prints with a record that it could not render",),
    )


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of what Python prints about errors."""
    errors = kit.shared(PrintedErrors)
    return [make(kit, errors) for make in (_warnings, _traceback, _debugger, _excepthooks, _logging_errors)]
