"""Uploads from an HTML form: `POST /` with multipart/form-data and a signed policy."""

from __future__ import annotations

import base64
import email.parser
import email.policy
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.core import Caller
from localcloud.cos import signing
from localcloud.cos.errors import CosError

if TYPE_CHECKING:
    from localcloud.core import Keys
    from localcloud.server import Request

_CONDITION_ITEMS = 3


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, by lower-case names, and its file."""

    fields: dict[str, str]
    content: bytes

    @property
    def key(self) -> str:
        """The key of the object."""
        return self.fields.get("key", "")


def parse(request: Request) -> Form:
    """Parse the form in a request's body.

    Raises:
        CosError: The body is not a form, or has no key or no file.
    """
    content_type = request.headers.get("content-type", "")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    fields: dict[str, str] = {}
    content: bytes | None = None
    for part in message.iter_parts():
        name = str(part.get_param("name", "", header="content-disposition")).lower()
        payload = part.get_payload(decode=True)
        if name == "file" and isinstance(payload, bytes):
            content = payload
            fields.setdefault("filename", part.get_filename() or "")
        elif isinstance(payload, bytes):
            fields[name] = payload.decode()
    if content is None or not fields.get("key"):
        raise CosError("MalformedPOSTRequest", "The form has no field `key` or no field `file`.")
    fields["key"] = fields["key"].replace("${filename}", fields.get("filename", ""))
    return Form(fields, content)


def verify(form: Form, bucket: str, keys: Keys, now: float) -> Caller | None:
    """Check a form's signature and return the caller; None without a signature.

    https://cloud.tencent.com/document/product/436/14690

    Raises:
        CosError: The signature is wrong, or the policy does not allow the form.
    """
    fields = form.fields
    if "q-signature" not in fields:
        return None
    key = signing.find_key(keys, fields.get("q-ak", ""))
    key_time = fields.get("q-key-time", "")
    signing.check_time(key_time, now)
    signing.check_token(key, fields.get("x-cos-security-token", ""), now)
    policy = _decode_base64(fields.get("policy", ""))
    digest = hashlib.sha1(policy, usedforsecurity=False).hexdigest()
    sign_key = signing.sign_key(key.secret_key, key_time)
    expected = hmac.digest(sign_key.encode(), digest.encode(), "sha1").hex()
    if not hmac.compare_digest(expected, fields["q-signature"]):
        raise CosError("SignatureDoesNotMatch", "The form's signature does not match its policy.")
    _check_policy(policy, Form({**fields, "bucket": bucket}, form.content), now)
    return Caller(key.secret_id, key.role)


def _decode_base64(policy: str) -> bytes:
    try:
        return base64.b64decode(policy, validate=True)
    except ValueError:
        raise CosError("InvalidPolicyDocument", "The policy is not Base64.") from None


def _check_policy(policy: bytes, form: Form, now: float) -> None:
    try:
        document = json.loads(policy)
        expiration_text = re.sub("Z$", "+00:00", document["expiration"])
        expiration = datetime.fromisoformat(expiration_text)
        conditions = list(document["conditions"])
    except (ValueError, KeyError, TypeError):
        raise CosError(
            "InvalidPolicyDocument", "The policy has no `expiration` or `conditions`."
        ) from None
    if now > expiration.timestamp():
        raise CosError("AccessDenied", "Request has expired")
    for condition in conditions:
        if not _is_met(condition, form):
            raise CosError(
                "AccessDenied", f"The form does not meet a condition: {json.dumps(condition)}"
            )


def _is_met(condition: Any, form: Form) -> bool:  # noqa: ANN401  JSON
    fields = form.fields
    if isinstance(condition, dict):
        return all(fields.get(name.lower()) == str(value) for name, value in condition.items())
    if not isinstance(condition, list) or len(condition) != _CONDITION_ITEMS:
        return False
    operator, name, operand = condition
    if operator == "content-length-range":
        return int(name) <= len(form.content) <= int(operand)
    value = fields.get(str(name).removeprefix("$").lower(), "")
    return value.startswith(operand) if operator == "starts-with" else value == operand
