"""The shop with rasp switched on in its own code, in the ways that the documentation names."""

import os
import sys

import shop

import rasp

app = shop.app  # made before rasp is installed
WAY = os.environ["SHOP_WAY"]
if WAY == "install":
    rasp.install()
elif WAY == "extension":
    rasp.Rasp(app)
elif WAY == "middleware":
    rasp.install()
    app.wsgi_app = rasp.Middleware(app.wsgi_app)
elif WAY == "twice":
    rasp.install()
    rasp.install()
    rasp.Rasp(app).init_app(app)
else:
    sys.exit(f"no such way: {WAY}")
