"""An app of any framework behind ``rasp.Middleware``."""

import importlib
import os

import rasp

rasp.install()
app = rasp.Middleware(importlib.import_module(os.environ["FRAMEWORK"]).app)
