"""A script as mod_wsgi loads it."""

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))

from shop import app as application  # noqa: F401 - what the host looks for
