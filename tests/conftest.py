"""What all tests share: a loud rasp that is taken back exactly, and scripts in processes of their own."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("support.installed", "contract", "ordinary.sites")

from support import installed as support  # noqa: E402 - its assertions are to be rewritten
from support.scripts import Scripts  # noqa: E402
from support.servers import memcached_server, redis_cluster, redis_server  # noqa: E402, F401 - fixtures

from rasp import runtime as process  # noqa: E402


@pytest.fixture
def install_rasp(tmp_path):
    """``install_rasp(mode=..., record=..., **settings)``; uninstalled at the end, with nothing left behind.

    Failures inside rasp are raised (``loud=False`` contains them, as in production).
    """
    before = support.Process()
    before.watch_exits()
    yield lambda **settings: support.install(tmp_path, **settings)
    process.uninstall()
    before.check()


@pytest.fixture
def observe(install_rasp):
    """rasp in mode ``observe``."""
    return install_rasp()


@pytest.fixture
def scripts(tmp_path):
    """Scripts in processes of their own, in an empty folder."""
    return Scripts(tmp_path)
