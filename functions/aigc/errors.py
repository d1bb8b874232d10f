"""Every error that this program raises on purpose.

AigcError
├── InvalidRequestError     what was asked for cannot be done as asked; nothing was sent or paid
├── BadEventError           a trigger sent something that we cannot read; a repeat changes nothing
├── BadPictureError         these bytes are no picture that we may store
├── BadRecordError          a record of the ledger cannot be read
└── CloudError              Tencent Cloud refused, or did not answer as it should
    ├── RefusedError        it said no; the same request gets the same answer
    ├── DuplicateError      it already had a request with this session id
    ├── ThrottledError      too many requests; it did nothing, a repeat later may pass
    ├── BackloggedError     it has no room for another task now; a repeat much later may pass
    └── AmbiguousError      no answer, or a broken one: it may have done it or not
"""

from __future__ import annotations


class AigcError(Exception):
    """The base of the tree: catching it catches what this program foresaw."""

    retryable = False


class InvalidRequestError(AigcError):
    """What was asked for cannot be done as asked.

    Attributes:
        field: Where the fault is, as a dotted path (`output_config.aspect_ratio`); empty for the
            request as a whole.
        allowed: What would have passed, in words or as a list; empty where there is no list.
    """

    def __init__(self, message: str, *, field: str = "", allowed: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.allowed = allowed


class BadEventError(AigcError):
    """A trigger sent something that we cannot read."""


class BadPictureError(AigcError):
    """These bytes are no picture of a kind and size that we may store."""


class BadRecordError(AigcError):
    """A record of the ledger cannot be read: damaged, or of a version that we do not know."""


class CloudError(AigcError):
    """Tencent Cloud refused, or did not answer as it should.

    Attributes:
        code: The vendor's own code, `InvalidParameterValue.SessionId` for instance.
        vendor_message: The vendor's own text.
        request_id: The vendor's id of the request, empty when no answer came.
    """

    def __init__(
        self, doing: str, *, code: str = "", vendor_message: str = "", request_id: str = ""
    ) -> None:
        parts = [doing, code, vendor_message, request_id and f"request {request_id}"]
        super().__init__(": ".join(part for part in parts if part))
        self.code = code
        self.vendor_message = vendor_message
        self.request_id = request_id


class RefusedError(CloudError):
    """It said no; the same request gets the same answer."""


class DuplicateError(CloudError):
    """It already had a request with this session id: the earlier one arrived."""


class ThrottledError(CloudError):
    """Too many requests: it did nothing, a repeat a little later may pass."""

    retryable = True


class BackloggedError(CloudError):
    """It has no room for another task now; a repeat much later may pass."""

    retryable = True


class AmbiguousError(CloudError):
    """No answer, or a broken one: what was asked for may have been done or not."""

    retryable = True
