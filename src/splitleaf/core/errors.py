"""The one error tree. HTTP status codes appear only in `splitleaf.api.http.problems`."""

from __future__ import annotations

from typing import ClassVar


class SplitleafError(Exception):
    """The request failed."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, /, *, code: str | None = None, **context: object) -> None:
        """`code` is more specific than the stable code of the class. `context` is for logs and problem extensions."""
        self.detail = detail or (self.__doc__ or "").strip().splitlines()[0]
        self.error_code = code or type(self).code
        self.context = context
        super().__init__(self.detail)


class RejectedInput(SplitleafError):
    """The request is invalid."""

    code = "invalid_request"


class RejectedImage(RejectedInput):
    """The upload is not an image that can be classified."""

    code = "image_corrupt"


class Unprocessable(RejectedInput):
    """The request is well formed but cannot be processed."""

    code = "unprocessable"


class UnsupportedMedia(RejectedInput):
    """The upload is not in a supported format."""

    code = "unsupported_media_type"


class PayloadTooLarge(RejectedInput):
    """The upload is too large."""

    code = "payload_too_large"


class MalformedRequest(RejectedInput):
    """The request body is malformed."""

    code = "malformed_multipart"


class RequestTimedOut(RejectedInput):
    """The request body did not arrive in time."""

    code = "request_timeout"


class NotFound(SplitleafError):
    """The resource does not exist or is no longer kept."""

    code = "not_found"


class Conflict(SplitleafError):
    """The request conflicts with the current state."""

    code = "conflict"


class Unauthorized(SplitleafError):
    """A valid key is required."""

    code = "unauthorized"


class Forbidden(SplitleafError):
    """The scope of the key does not allow this."""

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
    """The service is busy. Please try again shortly."""

    code = "overloaded"
    retryable = True

    def __init__(
        self, detail: str | None = None, /, *, retry_after_s: float = 1.0, code: str | None = None, **context: object
    ) -> None:
        super().__init__(detail, code=code, **context)
        self.retry_after_s = retry_after_s


class DependencyDown(SplitleafError):
    """A part of the service is unavailable. Please try again shortly."""

    code = "unavailable"
    retryable = True


class NoModelReady(DependencyDown):
    """No model is ready at the moment. Please try again shortly."""

    code = "no_model_ready"


class EngineFailed(SplitleafError):
    """The image could not be processed. Please try another one."""

    code = "inference_failed"


class InvalidArtifact(SplitleafError):
    """The files of a model version are missing, damaged or do not match its manifest."""

    code = "invalid_artifact"


class ImportRefused(SplitleafError):
    """This file cannot be imported as a model version."""

    code = "import_refused"


class ConfigurationError(SplitleafError):
    """The settings are contradictory or name something unknown."""

    code = "invalid_configuration"
