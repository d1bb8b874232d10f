"""Chat robots: the messages that WeCom, Feishu (Lark) and DingTalk accept, and their answers.

| robot | signature | limits |
|---|---|---|
| `wecom` | none: the key in the URL is the secret | text of 2048 bytes, 20 messages a minute |
| `feishu` | `timestamp` and `sign` in the body | body of 20 KB, 100 messages a minute |
| `dingtalk` | `timestamp` and `sign` in the URL | 20 messages a minute, or none for 10 minutes |

https://developer.work.weixin.qq.com/document/path/99110,
https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot,
https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages

All three answer 200 to a message that they refuse; the code in the body says whether
they accepted it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import SecretStr, field_validator

from aigc.wire import Wire

if TYPE_CHECKING:
    from datetime import datetime

LONGEST_TEXT = 2048
"""Most bytes of a text: WeCom's limit, which is the smallest."""

LONGEST_ANSWER = 4096
"""Number of bytes of an answer that are read; its code is in the first hundred."""

LONGEST_URL = 256
"""Most characters of an address: Cloud Monitor's limit."""

OK_STATUS = 200


class Robot(Wire):
    """A robot of a chat group, and which ended jobs it reports."""

    kind: Literal["wecom", "feishu", "dingtalk"]
    url: SecretStr
    """The address that the chat's settings show; it authorises messages to the group."""
    secret: SecretStr = SecretStr("")
    """The secret of the robot's signature (`SEC…` of DingTalk); empty if it has none."""
    jobs: Literal["none", "failed", "all"] = "failed"
    """Which ended jobs it reports."""
    alarms: bool = True
    """Whether Tencent Cloud sends the stack's alarms to it."""

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        is_url = text.startswith(("https://", "http://")) and text.isascii()
        if not is_url or len(text) > LONGEST_URL:
            raise ValueError(f"must be a URL of at most {LONGEST_URL} characters")
        return url

    @property
    def name(self) -> str:
        """A digest of the URL, which names the robot in keys of the ledger."""
        import hashlib  # noqa: PLC0415  few invocations need it

        return hashlib.sha256(self.url.get_secret_value().encode()).hexdigest()[:8]

    def plain(self) -> dict[str, Any]:
        """Return the fields with the secrets in plain text, for the functions' environment."""
        secrets = {"url": self.url.get_secret_value(), "secret": self.secret.get_secret_value()}
        return {**self.model_dump(mode="json"), **secrets}

    def reports(self, state: str) -> bool:
        """Whether the robot reports jobs that end in this state."""
        return self.jobs == "all" or (self.jobs == "failed" and state == "failed")


class Message(NamedTuple):
    """A POST to a robot."""

    url: str
    body: bytes


def message(robot: Robot, text: str, at: datetime) -> Message:
    """Build the message with this text; it is signed if the robot has a secret."""
    url, secret = robot.url.get_secret_value(), robot.secret.get_secret_value()
    body: dict[str, Any]
    if robot.kind == "feishu":
        body = {"msg_type": "text", "content": {"text": text}}
        if secret:
            seconds = str(int(at.timestamp()))
            # Feishu uses the text that the others sign as the key, and signs an empty message.
            body |= {"timestamp": seconds, "sign": _sign(f"{seconds}\n{secret}", "")}
    else:
        body = {"msgtype": "text", "text": {"content": text}}
        if robot.kind == "dingtalk" and secret:
            url = _signed_url(url, secret, str(int(at.timestamp() * 1000)))
    return Message(url, json.dumps(body, ensure_ascii=False).encode(errors="replace"))


def refusal_reason(status: int | None, answer: bytes) -> str:
    """Return why a robot refused a message; empty if it accepted the message.

    WeCom and DingTalk answer `errcode`, Feishu `code`; 0 is success.
    """
    if status != OK_STATUS:
        return f"status {status}"
    try:
        content = json.loads(answer)
        code = content.get("errcode", content.get("code"))
    except (ValueError, AttributeError):
        return "an answer that is not the robot's JSON"
    if code == 0:
        return ""
    return f"code {code}: {content.get('errmsg') or content.get('msg') or ''}"[:200]


def _signed_url(url: str, secret: str, milliseconds: str) -> str:
    from urllib.parse import quote_plus  # noqa: PLC0415  few invocations need it

    signature = quote_plus(_sign(secret, f"{milliseconds}\n{secret}"))
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}timestamp={milliseconds}&sign={signature}"


def _sign(key: str, text: str) -> str:
    import base64  # noqa: PLC0415  few invocations need it
    import hmac  # noqa: PLC0415

    return base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha256")).decode()
