"""Writes the dashboards of Grafana into `dashboards/`: `python deploy/observability/grafana/make_dashboards.py`.

The JSON files are what Grafana reads and what is committed; a test holds that they are what this writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
HALF, THIRD, WHOLE = 12, 8, 24
HEIGHT = 8
P = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Panel:
    """One image: what it asks, in which unit, and what it tells who looks."""

    title: str
    queries: dict[str, str]
    """Legend -> expression."""
    unit: str = "short"
    width: int = HALF
    text: str = ""
    kind: str = "timeseries"


def quantiles(name: str, by: str = "", where: str = "") -> dict[str, str]:
    """Return p50, p95 and p99 of a histogram."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return {
        f"p{share * 100:g}{legend}": f"histogram_quantile({share}, sum by ({labels}) (rate({name}_bucket{where}[1m])))"
        for share in P
    }


def rate(name: str, by: str, where: str = "") -> dict[str, str]:
    """Return a counter's rate by labels."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return {legend: f"sum by ({by}) (rate({name}{where}[1m]))"}


def newest(name: str, by: str) -> dict[str, str]:
    """Return a gauge of which several processes may speak."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return {legend: f"max by ({by}) ({name})"}


TURNED_AWAY = '{code=~"overloaded|timed_out|unavailable|no_model_ready"}'
UPLOADS = '{route=~"/predict|/v1/predictions",method="POST"}'

SERVING = {
    "Growers": [
        Panel("Answering", {"": "max(splitleaf_ready)"}, "bool_yes_no", 4, "An API process can answer.", "stat"),
        Panel("Workers", {"": "max(splitleaf_workers)"}, "short", 4, "Live, and taking work.", "stat"),
        Panel(
            "Waiting longest",
            {"": 'max(splitleaf_queue_oldest_waiting_seconds{priority="interactive"})'},
            "s",
            4,
            "Age of the oldest image that a person waits for.",
            "stat",
        ),
        Panel(
            "Turned away",
            {
                "": f"sum(rate(splitleaf_http_problems_total{TURNED_AWAY}[5m]))"
                f" / sum(rate(splitleaf_http_requests_total{UPLOADS}[5m]))"
            },
            "percentunit",
            4,
            "Share of uploads without an answer.",
            "stat",
        ),
        Panel("Dead letters", {"": "sum(max by (version) (splitleaf_dead_letters))"}, "short", 4, "", "stat"),
        Panel("Recorder's backlog", {"": "max(splitleaf_recorder_backlog)"}, "short", 4, "", "stat"),
        Panel("Images a second", rate("splitleaf_predictions_accepted_total", "version, priority"), "reqps"),
        Panel(
            "Time to answer an upload",
            quantiles("splitleaf_http_request_duration_seconds", where=UPLOADS),
            "s",
            text="As measured by the API, including the wait that the client asked for.",
        ),
        Panel("Requests by status", rate("splitleaf_http_requests_total", "status"), "reqps"),
        Panel("Problems by code", rate("splitleaf_http_problems_total", "code"), "reqps"),
    ],
    "Where the time goes": [
        Panel("Intake", quantiles("splitleaf_intake_duration_seconds"), "s", THIRD, "Checking and decoding."),
        Panel("Queue", quantiles("splitleaf_queue_duration_seconds", "version"), "s", THIRD),
        Panel("Inference of a batch", quantiles("splitleaf_inference_duration_seconds", "version"), "s", THIRD),
    ],
    "Queue and workers": [
        Panel("Waiting", newest("splitleaf_queue_waiting", "version, priority")),
        Panel("In a worker's hands", newest("splitleaf_queue_leases", "version, priority")),
        Panel(
            "Age of the oldest that waits", newest("splitleaf_queue_oldest_waiting_seconds", "version, priority"), "s"
        ),
        Panel("Bytes that wait or are in hand", newest("splitleaf_queue_bytes", "version"), "bytes"),
        Panel(
            "Images in a batch",
            {
                "{{version}}": "sum by (version) (rate(splitleaf_batch_size_sum[1m]))"
                " / sum by (version) (rate(splitleaf_batch_size_count[1m]))"
            },
        ),
        Panel("Failures by reason", rate("splitleaf_failures_total", "version, reason"), "reqps"),
        Panel("Results that came second", rate("splitleaf_fenced_results_total", "version"), "reqps"),
        Panel("Recovered from silent workers", rate("splitleaf_recovered_total", "what"), "reqps"),
    ],
    "Processes": [
        Panel("Processor", rate("process_cpu_seconds_total", "job, instance"), "percentunit"),
        Panel("Memory", newest("process_resident_memory_bytes", "job, instance"), "bytes"),
        Panel("Versions by state", newest("splitleaf_versions", "state")),
        Panel("Versions loaded", {"{{version}}": "min by (version) (splitleaf_version_loaded)"}, "bool_yes_no"),
    ],
}

EXPERIMENTS = {
    "Assignment": [
        Panel(
            "Assigned a second",
            rate("splitleaf_assignments_total", "experiment, variant"),
            "reqps",
            text="By assigned variant, whichever version answered.",
        ),
        Panel(
            "Share of each variant",
            {
                "{{experiment}} {{variant}}": "sum by (experiment, variant)"
                " (increase(splitleaf_assignments_total[10m]))"
                " / on (experiment) group_left sum by (experiment) (increase(splitleaf_assignments_total[10m]))"
            },
            "percentunit",
            text="Over ten minutes. The report, not this panel, judges whether a split is correct.",
        ),
        Panel(
            "Answered by a stand-in",
            rate("splitleaf_fallbacks_total", "experiment, reason"),
            "reqps",
            text="They count for the assigned variant.",
        ),
        Panel("Exposures by status", rate("splitleaf_exposures_total", "experiment, variant, status"), "reqps"),
    ],
    "Versions side by side": [
        Panel("Final states", rate("splitleaf_outcomes_total", "version, role, status"), "reqps", WHOLE),
        Panel("Inference of a batch", quantiles("splitleaf_inference_duration_seconds", "version"), "s"),
        Panel("Queue", quantiles("splitleaf_queue_duration_seconds", "version"), "s"),
    ],
    "Images": [
        Panel(
            "Drift by measure",
            newest("splitleaf_drift_ratio", "version, measure"),
            text="The newest full window against the training images; above 1, the difference exceeds the limit.",
        ),
        Panel(
            "Windows of drift in a row",
            newest("splitleaf_drift_alarms_in_a_row", "version"),
            text="One window can be a single person with one device; from two on, an alert fires.",
        ),
    ],
}


def dashboard(uid: str, title: str, rows: dict[str, list[Panel]]) -> dict[str, Any]:
    """Return a dashboard in Grafana's JSON model."""
    panels: list[dict[str, Any]] = []
    y = 0
    for name, content in rows.items():
        place = {"x": 0, "y": y, "w": WHOLE, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": name, "gridPos": place, "panels": []})
        x, y = 0, y + 1
        for panel in content:
            if x + panel.width > WHOLE:
                x, y = 0, y + height(panel)
            panels.append(shown(panel, len(panels) + 1, x, y))
            x += panel.width
        y += height(content[-1])
    return {
        "uid": uid,
        "title": title,
        "tags": ["splitleaf"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": []},
        "panels": panels,
    }


def shown(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """Return one panel in Grafana's JSON model."""
    targets = [
        {
            "refId": chr(ord("A") + place),
            "datasource": DATASOURCE,
            "expr": expression,
            "legendFormat": legend or "__auto",
        }
        for place, (legend, expression) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": height(panel)},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": {}}, "overrides": []},
        "options": {} if panel.kind == "stat" else {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": targets,
    }


def height(panel: Panel) -> int:
    return HEIGHT // 2 if panel.kind == "stat" else HEIGHT


DASHBOARDS = {
    "serving.json": dashboard("splitleaf-serving", "Splitleaf: serving", SERVING),
    "experiments.json": dashboard("splitleaf-experiments", "Splitleaf: experiments", EXPERIMENTS),
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in DASHBOARDS.items():
        (FOLDER / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
