"""Which handles the arguments of a ctypes call stand for. Asks memory only where ctypes itself would.

A handle comes as a number, a pointer object, an object with ``_as_parameter_`` or ``from_param``, the address of a
structure of the app's own, or in a *cell*: a variable whose address is passed, so that the library can fill or null it.
Nothing here calls a foreign function: ``cast`` and ``memmove`` are such, and would come back to the caller.
"""

from __future__ import annotations

import ctypes
import sys
from _ctypes import CFuncPtr
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rasp.ledger.native_handles import Handle, NativeHandle, epoch_of

WORD = 0xFFFF_FFFF_FFFF_FFFF
_BY_REFERENCE: type = type(ctypes.byref(ctypes.c_int()))
_DATA = (ctypes._SimpleCData, ctypes._Pointer, ctypes.Structure, ctypes.Union, ctypes.Array)
_POINTERS = (ctypes.c_void_p, ctypes._Pointer)
_NUMBERS = "iIlLqQ"
_DEPTH = 4

NULL, NUMBER, POINTER, CELL, RECORD, TAGGED = range(6)
"""How an argument stands for its handle; a later one is better evidence than an earlier one, but for ``RECORD``."""


@dataclass(slots=True)
class Given:
    """One argument that may be a handle. ``carrier`` is the object that carries, or can carry, its epoch.

    ``cell``: where the variable is that holds it, and of how many bytes; ``pointer``: it is one for a pointer.
    """

    address: int
    how: int
    carrier: object = None
    epoch: Handle | None = None
    cell: tuple[int, int] = (0, 0)
    pointer: bool = True


def given(args: Sequence[Any], kwargs: Mapping[str, Any], argtypes: Sequence[Any] | None) -> list[Given]:
    """The arguments that may be handles, in their order."""
    if args and type(args[0]) is NativeHandle and not kwargs and (len(args) == 1 or _all_text(args[1:])):
        return [Given(int(args[0]) & WORD, TAGGED, args[0], args[0]._rasp_epoch)]
    types: Sequence[Any] = argtypes or ()
    found = []
    for at, argument in enumerate(args):
        one = _given(argument, types[at] if at < len(types) else None, 0)
        if one is not None:
            found.append(one)
    for argument in kwargs.values():
        one = _given(argument, None, 0)
        if one is not None:
            found.append(one)
    return found


def _all_text(args: Sequence[Any]) -> bool:
    return all(type(argument) is bytes for argument in args)


def _given(argument: Any, expected: Any, depth: int) -> Given | None:
    if isinstance(argument, int):
        if isinstance(argument, bool):
            return None
        epoch = epoch_of(argument)
        return Given(int(argument) & WORD, NUMBER if epoch is None else TAGGED, argument, epoch)
    if argument is None:
        return Given(0, NULL)
    if isinstance(argument, (bytes, str, bytearray, memoryview, float)):
        return None
    if type(argument) is _BY_REFERENCE:
        return _by_reference(argument)
    if isinstance(argument, _DATA):
        return _data(argument, expected)
    return _converted(argument, expected, depth)


def _converted(argument: Any, expected: Any, depth: int) -> Given | None:
    """An object of the app: what ctypes would make of it."""
    if depth >= _DEPTH or isinstance(argument, CFuncPtr):
        return None
    convert = getattr(expected, "from_param", None)
    if convert is not None and not (isinstance(expected, type) and issubclass(expected, _DATA)):
        try:
            return _given(convert(argument), None, depth + 1)
        except (ctypes.ArgumentError, TypeError, ValueError, AttributeError):
            return None  # the call itself will say so
    inner = getattr(argument, "_as_parameter_", None)
    return None if inner is None else _given(inner, expected, depth + 1)


def _by_reference(argument: Any) -> Given | None:
    """``byref(x)``, ``byref(x, offset)``: the offset is only in its ``repr``."""
    target = argument._obj
    where = int(repr(argument).rpartition("0x")[2].rstrip(")>"), 16)
    offset = where - ctypes.addressof(target)
    if is_cell(type(target), offset):
        carrier = target if offset == 0 and isinstance(target, _DATA[:2]) else None
        return _cell(where, carrier, ctypes.sizeof(target) if carrier is not None else 8)
    return Given(where, RECORD, target, epoch_of(target)) if isinstance(target, _DATA[2:]) else None


def _data(argument: Any, expected: Any) -> Given | None:
    target_type = getattr(expected, "_type_", None)
    by_reference = isinstance(target_type, type) and isinstance(argument, target_type)
    if by_reference and is_cell(type(argument), 0):
        return _cell(ctypes.addressof(argument), argument, ctypes.sizeof(argument))
    if isinstance(argument, _POINTERS):
        kept = _kept(argument)
        if kept is not None and is_cell(type(kept), 0):
            return _cell(ctypes.addressof(kept), kept, ctypes.sizeof(kept))
        if kept is not None:
            return Given(ctypes.addressof(kept), RECORD, kept, epoch_of(kept))
        address = word_at(ctypes.addressof(argument))
        epoch = epoch_of(argument)
        if epoch is not None and epoch.address == address:
            return Given(address, TAGGED, argument, epoch)
        return Given(address, POINTER if address else NULL, argument)
    if isinstance(argument, ctypes._SimpleCData):
        if code_of(type(argument)) not in _NUMBERS:
            return None
        return Given(argument.value & WORD, NUMBER, argument, epoch_of(argument))
    if isinstance(argument, ctypes.Array) and is_cell(type(argument), 0):
        return _cell(ctypes.addressof(argument), None, 8)
    if by_reference or isinstance(argument, ctypes.Array):
        return Given(ctypes.addressof(argument), RECORD, argument, epoch_of(argument))
    return None


def _cell(where: int, carrier: object, size: int) -> Given:
    content = content_of((where, size))
    epoch = epoch_of(carrier)
    pointer = carrier is None or isinstance(carrier, _POINTERS)
    own = epoch if epoch is not None and epoch.address == content else None
    return Given(content, CELL, carrier, own, (where, size), pointer)


def _kept(pointer: Any) -> Any:
    """The variable that ``pointer(x)`` points to, if it still does."""
    objects = pointer._objects if isinstance(pointer, ctypes._Pointer) else None
    for kept in (objects or {}).values() if isinstance(objects, dict) else ():
        if isinstance(kept, _DATA) and ctypes.addressof(kept) == word_at(ctypes.addressof(pointer)):
            return kept
    return None


def is_cell(kind: type, offset: int) -> bool:
    """Whether a variable of a type has a place for a handle at an offset."""
    if offset == 0 and issubclass(kind, _POINTERS):
        return True
    if issubclass(kind, ctypes._SimpleCData):
        return offset == 0 and code_of(kind) in _NUMBERS
    if issubclass(kind, ctypes.Array):
        element: Any = kind._type_
        return issubclass(element, _POINTERS)
    if issubclass(kind, ctypes.Structure):
        for name, field_type, *_ in getattr(kind, "_fields_", ()):
            if getattr(kind, name).offset == offset and offset:
                return isinstance(field_type, type) and issubclass(field_type, _POINTERS)
    return False


def code_of(kind: Any) -> str:
    """The letter of a simple type, such as ``i`` for ``c_int``."""
    return str(kind._type_)


def word_at(address: int) -> int:
    """The pointer that is stored at an address of the app's own variables."""
    return ctypes.c_void_p.from_address(address).value or 0


def is_pointer(restype: Any, result: object) -> bool:
    """Whether a function's result is a pointer by its declaration."""
    return isinstance(result, _POINTERS) or (isinstance(restype, type) and issubclass(restype, _POINTERS))


def result_address(result: object) -> int:
    """The address or number that a function returned; 0 for none, and for what is no handle."""
    if isinstance(result, bool):
        return 0
    if isinstance(result, int):
        return int(result) & WORD
    if isinstance(result, _POINTERS):
        return word_at(ctypes.addressof(result))
    return 0


def content_of(cell: tuple[int, int]) -> int:
    """What a variable of the app's holds now."""
    where, size = cell
    return (
        word_at(where)
        if size == 8
        else int.from_bytes(bytes((ctypes.c_ubyte * size).from_address(where)), sys.byteorder)
    )
