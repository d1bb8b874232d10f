"""All errors that this program raises deliberately.

AigcError
├── InvalidRequestError     the request is not valid; nothing was sent or paid
├── BadEventError           the event of a trigger cannot be parsed; a retry cannot help
├── BadImageError           the bytes are not an image that may be stored
├── HostNotAllowedError     a result is on a host that is not allowed
├── BadRecordError          the record of a job cannot be read
├── DamagedError            another object of the ledger cannot be read
├── IllegalTransitionError  a job cannot change in this way from the state that it is in
└── CloudError              a request to Tencent Cloud failed
    ├── RefusedError        refused; the same request will be refused again
    │   └── UnclearError    refused; the code does not say whether task or account is at fault
    ├── AccountError        refused because of the account; nothing was done
    ├── DuplicateError      refused because the session id is already known
    ├── ThrottledError      too many requests; nothing was done, retry soon
    ├── BackloggedError     no capacity for another task; nothing was done, retry much later
    └── AmbiguousError      no answer or a broken one; the request may have been carried out
"""

from __future__ import annotations


class AigcError(Exception):
    """Base class of all errors that this program raises deliberately."""

    retryable = False


class InvalidRequestError(AigcError):
    """The request is not valid.

    Attributes:
        field: Dotted path of the wrong field (`output_config.aspect_ratio`); empty if the error
            concerns the whole request.
        allowed: The allowed values, in words or as a list; empty if there is no such list.
    """

    def __init__(self, message: str, *, field: str = "", allowed: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.allowed = allowed


class BadEventError(AigcError):
    """The event of a trigger cannot be parsed."""


class BadImageError(AigcError):
    """The bytes are not an image of a format and size that may be stored."""


class HostNotAllowedError(AigcError):
    """A result is on a host that is not allowed; the setting `result_hosts` can allow it.

    Attributes:
        host: The host; if the URL can be read in several ways, the beginning of the URL.
    """

    def __init__(self, host: str, allowed: str) -> None:
        super().__init__(f"the vendor has a result on {host!r}; allowed: {allowed}")
        self.host = host


class DamagedError(AigcError):
    """An object of the ledger other than the record of a job cannot be read."""


class BadRecordError(AigcError):
    """The record of a job cannot be read: it is damaged, or a newer version wrote it.

    Attributes:
        job_id: The job of the record.
        reason: Why it cannot be read, without its content.
    """

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"the record of job {job_id} cannot be read: {reason}")
        self.job_id = job_id
        self.reason = reason


class IllegalTransitionError(AigcError):
    """A job cannot change in this way from the state that it is in: a defect of this program."""

    def __init__(self, job_id: str, transition: str, state: str) -> None:
        super().__init__(f"job {job_id}: `{transition}` is not possible in the state `{state}`")


class CloudError(AigcError):
    """A request to Tencent Cloud failed.

    Attributes:
        code: The vendor's error code, for example `InvalidParameterValue.SessionId`.
        vendor_message: The vendor's error message.
        request_id: The vendor's request id; empty if there was no answer.
    """

    def __init__(
        self, operation: str, *, code: str = "", vendor_message: str = "", request_id: str = ""
    ) -> None:
        parts = [operation, code, vendor_message, request_id and f"request {request_id}"]
        super().__init__(": ".join(part for part in parts if part))
        self.code = code
        self.vendor_message = vendor_message
        self.request_id = request_id


class RefusedError(CloudError):
    """The request was refused; the same request will be refused again."""


class UnclearError(RefusedError):
    """The request was refused, and the code does not say whether the account is at fault."""


class AccountError(CloudError):
    """The account, and not the request, was refused: nothing was done.

    It is in arrears, lacks a permission or a service, or its credentials are not valid. The same
    request may succeed after the account has been repaired.
    """

    retryable = True


class DuplicateError(CloudError):
    """The vendor already knows the session id: an earlier request arrived."""


class ThrottledError(CloudError):
    """Too many requests: nothing was done, and a retry soon may succeed."""

    retryable = True


class BackloggedError(CloudError):
    """No capacity for another task: nothing was done, and a retry much later may succeed."""

    retryable = True


class AmbiguousError(CloudError):
    """No answer or a broken one: the request may have been carried out or not."""

    retryable = True
