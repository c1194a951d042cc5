"""Which rasp this is."""

from __future__ import annotations


def version() -> str:
    """The version as installed; ``(not installed)`` in a checkout."""
    import importlib.metadata

    try:
        return importlib.metadata.version("rasp")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
