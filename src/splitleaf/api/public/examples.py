"""Example responses for the OpenAPI document. Tests compare them with the schemas and with real responses."""

from __future__ import annotations

import json
from typing import Any, Final

ID: Final = "mfrggzdfmztwq2lknnwg23tpoa"
_OWN: Final = f"/v1/predictions/{ID}"
_TOP: Final = (
    ("Late_blight", "Late blight", 97.31),
    ("Early_blight", "Early blight", 2.02),
    ("healthy", "Healthy leaf", 0.31),
)

QUEUED: Final[dict[str, Any]] = {
    "id": ID,
    "status": "queued",
    "created_at": "2026-05-04T09:30:00.000Z",
    "finished_at": None,
    "result": None,
    "error": None,
    "links": {
        "self": _OWN,
        "events": f"{_OWN}/events",
        "cancel": _OWN,
        "feedback": f"{_OWN}/feedback",
        "explanation": f"{_OWN}/explanation",
    },
}
SUCCEEDED: Final[dict[str, Any]] = QUEUED | {
    "status": "succeeded",
    "finished_at": "2026-05-04T09:30:00.041Z",
    "result": {
        "label": "Late_blight",
        "display_name": "Late blight",
        "confidence": 97.31,
        "is_sure": True,
        "verdict": "sure",
        "top": [{"label": label, "display_name": name, "confidence": share} for label, name, share in _TOP],
        "remarks": [],
    },
}
CANCELED: Final[dict[str, Any]] = QUEUED | {"status": "canceled", "finished_at": "2026-05-04T09:30:00.020Z"}
EVENTS: Final = "".join(
    f"event: {name}\nid: {name}\ndata: {json.dumps(state, separators=(',', ':'))}\n\n"
    for name, state in (("queued", QUEUED), ("running", QUEUED | {"status": "running"}), ("done", SUCCEEDED))
)
EXPLANATION: Final[dict[str, Any]] = {
    "prediction_id": ID,
    "label": "Late_blight",
    "display_name": "Late blight",
    "heat": [[0] * 10] * 4 + [[0, 0, 12, 55, 100, 80, 20, 0, 0, 0]] * 2 + [[0] * 10] * 4,
}
FEEDBACK: Final[dict[str, Any]] = {
    "right": {"summary": "The answer was right.", "value": {"correct": True}},
    "wrong": {"summary": "The answer was wrong; the condition is unknown.", "value": {"correct": False}},
    "named": {"summary": "The condition is this one.", "value": {"label": "Early_blight"}},
}
FEEDBACK_NOTED: Final[dict[str, Any]] = {
    "prediction_id": ID,
    "correct": False,
    "label": "Early_blight",
    "created_at": "2026-05-04T09:31:00.000Z",
}
SIMPLE_ANSWER: Final[dict[str, Any]] = {"disease": "Late blight", "confidence": 97.31}
LABELS: Final[dict[str, Any]] = {"labels": [{"label": label, "display_name": name} for label, name, _ in _TOP]}
HEALTH: Final[dict[str, Any]] = {"status": "ok", "problems": [], "workers": 2}
NOT_READY: Final[dict[str, Any]] = {"status": "not ready", "problems": ["no model is ready"]}
PROBLEM_PAGE: Final = (
    "image_too_small (422)\n\nOne side of the image is shorter than 32 pixels.\nSend a larger image.\n"
)
