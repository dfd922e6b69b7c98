"""The one error tree. HTTP status codes appear only in `splitleaf.api.http.problems`."""

from __future__ import annotations

from typing import ClassVar


class SplitleafError(Exception):
    """Something went wrong that a caller can be told about."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, /, *, code: str | None = None, **context: object) -> None:
        """`code` narrows the class's stable code; `context` is for logs and problem extensions."""
        self.detail = detail or (self.__doc__ or "").strip().splitlines()[0]
        self.error_code = code or type(self).code
        self.context = context
        super().__init__(self.detail)


class RejectedInput(SplitleafError):
    """The request cannot be understood or breaks a rule."""

    code = "invalid_request"


class RejectedImage(RejectedInput):
    """The upload is not an image that can be classified."""

    code = "image_corrupt"


class Unprocessable(RejectedInput):
    """The request is well formed but cannot be followed."""

    code = "unprocessable"


class UnsupportedMedia(RejectedInput):
    """The upload is not of an accepted kind."""

    code = "unsupported_media_type"


class PayloadTooLarge(RejectedInput):
    """The upload is larger than the limit."""

    code = "payload_too_large"


class MalformedRequest(RejectedInput):
    """The request body breaks its own format."""

    code = "malformed_multipart"


class RequestTimedOut(RejectedInput):
    """The request body did not arrive in time."""

    code = "request_timeout"


class NotFound(SplitleafError):
    """There is no such thing, or it is no longer kept."""

    code = "not_found"


class Conflict(SplitleafError):
    """The request contradicts the present state."""

    code = "conflict"


class Unauthorized(SplitleafError):
    """A valid key is needed."""

    code = "unauthorized"


class Forbidden(SplitleafError):
    """This key does not allow that."""

    code = "forbidden"


class RateLimited(SplitleafError):
    """This client sent too many requests."""

    code = "rate_limited"
    retryable = True

    def __init__(
        self, detail: str | None = None, /, *, retry_after_s: float = 1.0, code: str | None = None, **context: object
    ) -> None:
        super().__init__(detail, code=code, **context)
        self.retry_after_s = retry_after_s


class Overloaded(SplitleafError):
    """Too much work is waiting; try again shortly."""

    code = "overloaded"
    retryable = True

    def __init__(
        self, detail: str | None = None, /, *, retry_after_s: float = 1.0, code: str | None = None, **context: object
    ) -> None:
        super().__init__(detail, code=code, **context)
        self.retry_after_s = retry_after_s


class DependencyDown(SplitleafError):
    """A part that this service depends on does not answer."""

    code = "unavailable"
    retryable = True


class NoModelReady(DependencyDown):
    """No model version can answer at the moment."""

    code = "no_model_ready"


class EngineFailed(SplitleafError):
    """The model could not process the image."""

    code = "inference_failed"


class InvalidArtifact(SplitleafError):
    """A model version's files are missing, damaged or not what its manifest says."""

    code = "invalid_artifact"


class ImportRefused(SplitleafError):
    """This file cannot become a served version."""

    code = "import_refused"


class ConfigurationError(SplitleafError):
    """The settings contradict each other or name something unknown."""

    code = "invalid_configuration"
