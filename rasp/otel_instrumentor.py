"""How ``opentelemetry-instrument`` switches rasp on: by the entry point ``opentelemetry_instrumentor``.

The shape is that of ``opentelemetry.instrumentation.instrumentor.BaseInstrumentor``, whose package rasp does not need.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rasp import runtime
from rasp.errors import ConfigError


class RaspInstrumentor:
    """Installs rasp with the configuration that variables and files give."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: what is not imported is not instrumented."""
        return ()

    def instrument(self, **kwargs: Any) -> None:
        """Installs rasp; a wrong configuration is said on standard error and leaves the app as it is."""
        try:
            runtime.install()
        except ConfigError as error:
            import sys

            print(f"rasp: not watching: {error}", file=sys.stderr)  # noqa: T201 - there is no logger of ours

    def uninstrument(self, **kwargs: Any) -> None:
        """Takes every wrapper back."""
        runtime.uninstall()
