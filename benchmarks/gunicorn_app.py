"""What gunicorn imports: the measured app in the variant that a variable names."""

import os

import peers

peers.BY_NAME[os.environ["BENCH_VARIANT"]].start()

import measured_app  # noqa: E402 - the variant comes first

app = measured_app.build(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as the app runs
