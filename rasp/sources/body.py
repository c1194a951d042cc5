"""What passes through a WSGI request in both directions: the input as the app reads it, the output as it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rasp.ledger.scopes import RequestScope
    from rasp.sources.wsgi import Door


class RecordedInput:
    """``wsgi.input``, of which a copy is kept as the app reads it. It never reads by itself.

    ``length`` is the body's, ``None`` where only its end tells; more than ``limit`` bytes are not kept.
    """

    def __init__(self, stream: Any, length: int | None, limit: int, complete: Callable[[bytes], None]) -> None:
        self._stream = stream
        self._length = length
        self._limit = limit
        self._complete: Callable[[bytes], None] | None = complete
        self._parts: list[bytes] = []
        self._size = 0

    def _keep(self, data: bytes, *, whole: bool = False) -> bytes:
        self._size += len(data)
        if self._size > self._limit:
            self._complete = None
            self._parts.clear()
        elif self._complete is not None:
            self._parts.append(bytes(data))
            if whole or not data or self._size == self._length:
                complete, self._complete = self._complete, None
                complete(self.recorded())
        return data

    def recorded(self) -> bytes:
        """What the app has read so far."""
        return b"".join(self._parts)

    def read(self, *args: Any) -> bytes:
        return self._keep(self._stream.read(*args), whole=not args or args[0] is None or args[0] < 0)

    def readline(self, *args: Any) -> bytes:
        return self._keep(self._stream.readline(*args))

    def readlines(self, *args: Any) -> list[bytes]:
        lines: list[bytes] = self._stream.readlines(*args)
        self._keep(b"".join(lines), whole=not args)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            yield self._keep(line)
        self._keep(b"")

    def __next__(self) -> bytes:
        return self._keep(next(self._stream))

    def _into(self, read: Callable[[Any], int | None], buffer: Any) -> int | None:
        size = read(buffer)
        self._keep(bytes(memoryview(buffer)[: size or 0]))
        return size

    def __getattr__(self, name: str) -> Any:
        """What servers' streams have besides (Werkzeug reads with ``readinto`` where there is one)."""
        found = getattr(self._stream, name)
        if name in ("readinto", "readinto1"):
            return partial(self._into, found)
        if name == "read1":
            return lambda *args: self._keep(found(*args))
        return found


class Body:
    """A response body inside its request's scope: every ``next()`` and ``close()`` runs in it, and its end ends it."""

    __slots__ = ("__weakref__", "_door", "_iterable", "_iterator", "_scope")

    def __init__(self, door: Door, scope: RequestScope, iterable: Iterable[bytes]) -> None:
        self._door = door
        self._scope = scope
        self._iterable = iterable
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        door, scope = self._door, self._scope
        token = door.current.set(scope)
        try:
            if self._iterator is None:
                self._iterator = iter(self._iterable)
            chunk = next(self._iterator)
        except StopIteration:
            door.end(scope)
            raise
        except BaseException as error:
            door.fail(scope, error)
            raise
        finally:
            door.current.reset(token)
        if scope.scan is not None:
            door.sent(scope, chunk)
        return chunk

    def close(self) -> None:
        """Closes the app's body inside the scope, then ends the request."""
        close = getattr(self._iterable, "close", None)
        try:
            if close is not None:
                token = self._door.current.set(self._scope)
                try:
                    close()
                finally:
                    self._door.current.reset(token)
        except BaseException as error:
            self._door.fail(self._scope, error)
            raise
        self._door.end(self._scope)


class PlainBody(chain):  # type: ignore[type-arg]
    """A body that is all there already: iterating it runs no code of the app's, so it is done in C.

    It is chained with an iterator that ends the request once it is asked for more.
    """

    __slots__ = ("__weakref__", "rasp_body", "rasp_door", "rasp_scope")
    rasp_door: Door
    rasp_scope: RequestScope
    rasp_body: Any

    def close(self) -> None:
        """Closes the app's body inside the scope, then ends the request."""
        door, scope = self.rasp_door, self.rasp_scope
        token = door.current.set(scope)
        try:
            self.rasp_body.close()
        except BaseException as error:
            door.fail(scope, error)
            raise
        finally:
            door.current.reset(token)
        if not scope.ended or scope.touched:
            door.end(scope)


class SizedBody(Body):
    """A body of known length, such as a list: servers work out ``Content-Length`` from it."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]
