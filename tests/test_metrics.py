"""The three metrics, from a real app to a real reader."""

import subprocess
import sys

APP = """
import rasp
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
rasp.install({"report": False, "rules": {"unvalidated-credential": "off"}})
from flask import Flask, g, request

app = Flask(__name__)

@app.get("/")
def view():
    g.key = request.headers["X-API-Key"]
    g.pop("key")
    g.pop("key", None)
    return "ok"

for _ in range(3):
    with app.test_client() as client:
        client.get("/", headers={"X-API-Key": "mk7Jk2Lm9Qw4Er6Ty8Ui3"}).close()
rasp.uninstall()
for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
    [point] = metric.data.data_points
    print(metric.name, getattr(point, "value", None), getattr(point, "count", None), getattr(point, "sum", 1) > 0)
"""


def test_findings_and_overhead_of_every_request_are_measured(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", APP], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["rasp.findings 3 None True", "rasp.overhead None 3 True"]
    assert done.stderr == ""
