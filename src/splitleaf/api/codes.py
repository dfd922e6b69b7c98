"""Every code that a problem can carry, what it means and what to do. Served at `/problems/{code}`."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

CODES: Final[dict[str, tuple[int, str, str]]] = {
    # code: (status, meaning, what to do)
    "incomplete_body": (400, "The connection ended before the body did.", "Send it again."),
    "malformed_multipart": (
        400,
        "The multipart body breaks its own format or its limits.",
        "Use a common HTTP client.",
    ),
    "duplicate_file": (400, "More than one image in a request.", "Send one request an image."),
    "invalid_request": (400, "The request cannot be understood.", "Compare it with `/docs`."),
    "invalid_unit": (
        400,
        "Splitleaf-Unit is empty, too long or not printable ASCII.",
        "Send 1 to 200 such characters.",
    ),
    "invalid_idempotency_key": (400, "Idempotency-Key is out of bounds.", "Send 1 to 255 printable ASCII characters."),
    "invalid_priority": (400, "`priority` is unknown.", "Send `interactive` or `batch`."),
    "invalid_wait": (400, "`wait` is not a whole number of seconds.", "Send for example `wait=10`."),
    "invalid_json": (400, "The body is not JSON.", "Check its quotes and commas."),
    "unauthorized": (401, "No valid key came with the request.", "Send `Authorization: Bearer KEY`."),
    "forbidden": (403, "The key's scope does not hold that.", "Use a key of the scope `write` or `admin`."),
    "cross_site": (
        403,
        "The request may have come from another site's page.",
        "Send the header `Splitleaf-Session: 1` from a page of this server, or use a key.",
    ),
    "not_found": (404, "There is nothing at this address.", "Check it against `/docs`."),
    "prediction_not_found": (404, "No such prediction, or it is no longer kept.", "Send the image again."),
    "version_not_found": (404, "There is no such version.", "See `GET /admin/api/models`."),
    "alias_not_found": (404, "The alias points nowhere.", "See `GET /admin/api/aliases`."),
    "experiment_not_found": (
        404,
        "There is no such experiment, or it does not run.",
        "See `GET /admin/api/experiments`.",
    ),
    "variant_not_found": (404, "The experiment has no such variant.", "See its plan."),
    "image_not_kept": (404, "The image is not kept, or no longer.", "See the settings of retention."),
    "dead_letter_not_found": (404, "There is no such dead letter.", "See `GET /admin/api/dead-letters`."),
    "key_not_found": (404, "There is no such key.", "See `GET /admin/api/keys`."),
    "method_not_allowed": (405, "The address knows no such method.", "See the `Allow` header."),
    "request_timeout": (408, "The body did not arrive in time.", "Send it again over a better connection."),
    "conflict": (409, "The request contradicts the present state.", "Read the state again, then decide."),
    "experiment_exists": (409, "An experiment of this key is there already.", "Choose another key."),
    "experiment_frozen": (
        409,
        "The plan's entry stays as it was once the experiment has started.",
        "Start another experiment.",
    ),
    "experiments_running": (409, "A split cannot be set while experiments run.", "Stop them first."),
    "layer_full": (
        409,
        "Other experiments of the layer hold its units.",
        "Ask for less `traffic`, stop one, or name another `layer`.",
    ),
    "ramp_refused": (409, "A ramp only gives candidates more units.", "Roll back to take them away."),
    "split_in_force": (409, "An experiment cannot start while a static split is in force.", "End the split first."),
    "transition_refused": (409, "The step does not follow on the experiment's state.", "See its detail."),
    "against_evidence": (
        409,
        "The report does not speak for promoting this variant.",
        "Gather more evidence, or send `against_evidence` with the reason.",
    ),
    "feedback_impossible": (409, "The prediction has no answer to judge.", "Wait until it has succeeded."),
    "no_baseline": (
        409,
        "The version was imported without reference images.",
        "Import it again with `--reference`.",
    ),
    "no_answer_to_explain": (409, "The prediction has no answer to explain.", "Wait until it has succeeded."),
    "nothing_to_undo": (409, "The expert said nothing of this image.", "See the name under `expert`."),
    "retention_off": (409, "No images are kept.", "Set `SPLITLEAF_RETENTION__ENABLED=true`."),
    "payload_too_large": (413, "The body is larger than the limit.", "Send at most 10 MB; of JSON, 250 KB."),
    "address_too_long": (414, "The address is longer than 8 KB.", "Send what is long in the body."),
    "unsupported_media_type": (415, "Not an image of an accepted kind.", "Send JPEG, PNG, WebP, HEIC or AVIF."),
    "unsupported_encoding": (415, "The body is compressed once more.", "Send it without Content-Encoding."),
    "file_required": (422, "The multipart body has no field `file`.", "Name the image's field `file`."),
    "reason_missing": (422, "Promoting against the evidence wants a reason.", "Send it."),
    "image_empty": (422, "The file is empty.", "Choose the image again."),
    "image_corrupt": (422, "The image is damaged.", "Take or export it again."),
    "image_truncated": (422, "A part of the image is missing.", "Send it again from the original."),
    "image_too_small": (422, "A side is shorter than 32 pixels.", "Send a larger image."),
    "image_too_many_pixels": (422, "The image has too many pixels.", "Scale it down before sending."),
    "image_bad_aspect": (422, "The image is far too long or too narrow.", "Crop it to the leaf."),
    "image_too_complex": (422, "The image takes too long to decode.", "Export it as an ordinary JPEG."),
    "image_animated": (422, "The file is an animation.", "Send a still image."),
    "metadata_too_large": (422, "The image carries too much metadata.", "Export it without metadata."),
    "idempotency_key_reused": (422, "The Idempotency-Key came with another image before.", "Use a new key."),
    "invalid_feedback": (422, "The feedback says nothing, or two things.", 'Send {"correct": …} or {"label": …}.'),
    "unknown_label": (422, "There is no such condition.", "See `GET /v1/labels`."),
    "invalid_key": (422, "The key would be of no use.", "Name a time to come for its end, or none."),
    "invalid_labels": (422, "The file of labels has faults.", "See its detail, which names each line."),
    "invalid_plan": (422, "The experiment's plan does not make sense.", "See its detail, which names each entry."),
    "invalid_question": (422, "The rates asked about cannot be.", "See its detail; rates are shares, 0.9 for 90 %."),
    "invalid_split": (422, "The shares are not a split.", "Name ready versions, with shares that sum to 100."),
    "unprocessable": (422, "The request cannot be followed.", "See its detail."),
    "headers_too_large": (431, "The request's headers are larger than 32 KB.", "Send fewer cookies."),
    "rate_limited": (429, "Too many requests of this client.", "Wait for `Retry-After` seconds."),
    "internal_error": (500, "Something broke on our side.", "Send it again; report it with its X-Request-ID."),
    "inference_failed": (500, "The image could not be processed.", "Try another image."),
    "overloaded": (503, "Too much work is waiting.", "Try again after `Retry-After` seconds."),
    "timed_out": (503, "No answer was found in time.", "Try again after `Retry-After` seconds."),
    "unavailable": (503, "A part of the service does not answer.", "Try again after `Retry-After` seconds."),
    "no_model_ready": (503, "No model can answer at the moment.", "Try again after `Retry-After` seconds."),
    "invalid_artifact": (409, "A version's files are not what its manifest says.", "Import the version again."),
}


async def problem_page(request: Request) -> Response:
    """`GET /problems/{code}`: the meaning of a code, in plain text."""
    known = CODES.get(request.path_params["code"])
    if known is None:
        raise HTTPException(404)
    status, meaning, advice = known
    text = f"{request.path_params['code']} ({status})\n\n{meaning}\n{advice}\n"
    return Response(text, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "max-age=3600"})
