"""What `POST /v1/estimate` takes, as JSON schema. `api/estimate_input.py` reads it."""

from typing import Any

from api.job_requests import MAX_REQUESTS
from api.schemas import A_NAME
from headrace.bodies import ENDPOINTS

REQUESTS = {"type": "array", "minItems": 1, "maxItems": MAX_REQUESTS}
OF_FILE = {
    "type": "object",
    "required": ["input_file_id", "endpoint"],
    "additionalProperties": False,
    "properties": {
        "input_file_id": {"type": "string", **A_NAME, "maxLength": 256},
        "endpoint": {"enum": list(ENDPOINTS)},
    },
}
OF_REQUESTS = {
    "type": "object",
    "required": ["requests"],
    "additionalProperties": False,
    "properties": {"requests": REQUESTS},
}
WANTED: dict[str, Any] = {"title": "Estimated", "anyOf": [OF_FILE, OF_REQUESTS, REQUESTS]}
