"""Requests with a webhook: by fal's query parameter or by a field of the body."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook

from aigc.jobs.job import utc_now
from aigc.settings import Settings, SettingsError
from aigc.signing import secret_bytes, signed_headers
from tests.fakes import build_settings

if TYPE_CHECKING:
    from tests.unit.api.client import Client

PATH = "/tencent-vod/v1/aigc-image"
BODY = {"model_name": "GG", "model_version": "3.0", "prompt": "a cat"}
URL = "https://example.com/hook?token=secret"
SECRETS = [f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2)]


def configure(client: Client, **changes: Any) -> None:
    keys = client.world.settings.api_keys
    client.world.settings = build_settings(api_keys=keys, webhook_secrets=SECRETS, **changes)


def finished(client: Client, answer: Any) -> None:
    [task] = client.world.vendor.tasks
    client.world.vendor.finish(task)
    client.get(f"{PATH}/requests/{answer.body['request_id']}/status")


@pytest.mark.parametrize("as_field", [True, False])
def test_a_webhook_contains_the_result_and_is_signed_with_each_secret(
    client: Client, *, as_field: bool
) -> None:
    configure(client)
    body, query = (BODY | {"webhook_url": URL}, {}) if as_field else (BODY, {"fal_webhook": URL})
    answer = client.send("POST", PATH, body=json.dumps(body), query=query)

    finished(client, answer)

    [sent] = client.world.sender.sent
    assert sent.url == URL
    result = client.get(f"{PATH}/requests/{answer.body['request_id']}").body
    assert json.loads(sent.body)["payload"] == result
    assert len(sent.headers["webhook-signature"].split(" ")) == len(SECRETS)


def test_the_url_is_never_sent_upstream(client: Client) -> None:
    configure(client)

    client.post(PATH, BODY | {"webhook_url": URL})

    assert "example.com" not in str(client.world.vendor.tasks[0].params)


@pytest.mark.parametrize(
    ("url", "query", "field"),
    [
        ("https://127.0.0.1/", {}, "webhook_url"),
        ("http://example.com/", {}, "webhook_url"),
        (7, {}, "webhook_url"),
        (False, {}, "webhook_url"),
        (None, {"fal_webhook": "https://user:word@example.com/"}, "fal_webhook"),
        (URL, {"fal_webhook": "https://example.com/another"}, "webhook_url"),
    ],
)
def test_a_wrong_webhook_is_refused_before_anything_is_paid(
    client: Client, url: object, query: dict[str, str], field: str
) -> None:
    configure(client)

    answer = client.send("POST", PATH, body=json.dumps(BODY | {"webhook_url": url}), query=query)

    assert (answer.status, answer.body["field"]) == (422, field)
    assert answer.body["allowed"]
    assert "secret" not in answer.body["detail"]
    assert client.world.vendor.tasks == []


def test_a_refusal_shows_no_query(client: Client) -> None:
    configure(client)

    answer = client.post(PATH, BODY | {"webhook_url": "http://example.com/?token=word"})

    assert "token" not in str(answer.body)


def test_without_a_secret_a_webhook_is_refused_by_the_name_of_the_configuration(
    client: Client,
) -> None:
    answer = client.post(PATH, BODY | {"webhook_url": URL})

    assert answer.status == 422
    assert "webhookSecrets" in answer.body["allowed"]


def test_networks_that_the_stack_allows_are_accepted(client: Client) -> None:
    configure(client, webhook_http=True, webhook_networks=["127.0.0.0/8"])

    answer = client.post(PATH, BODY | {"webhook_url": "http://127.0.0.1:8000/hook"})

    assert answer.status == 200


def test_a_repeat_keeps_the_first_webhook(client: Client) -> None:
    configure(client)
    first = client.post(PATH, BODY | {"webhook_url": URL}, Idempotency_Key="k")

    second = client.post(PATH, BODY | {"webhook_url": URL + "2"}, Idempotency_Key="k")
    finished(client, first)

    assert second.body["request_id"] == first.body["request_id"]
    assert [sent.url for sent in client.world.sender.sent] == [URL]


# Signatures


@pytest.mark.parametrize("held", SECRETS)
def test_a_receiver_verifies_with_either_secret(held: str) -> None:
    body = '{"prompt": "猫"}'.encode()

    headers = signed_headers(body, message_id="msg_1", at=utc_now(), secrets=SECRETS)

    assert Webhook(held).verify(body, headers) == {"prompt": "猫"}


@pytest.mark.parametrize(
    "secret",
    ["whsec_c2hvcnQ=", "c2VjcmV0" * 4, "whsec_not base64!", "whsec_" + "A" * 88],
)
def test_an_invalid_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        secret_bytes(secret)

    assert secret not in str(caught.value)


def test_a_wrong_secret_in_the_environment_is_named_and_not_shown() -> None:
    with pytest.raises(SettingsError, match="AIGC_WEBHOOK_SECRETS") as caught:
        Settings.from_environment({"AIGC_WEBHOOK_SECRETS": '["whsec_c2hvcnQ="]'})

    assert "c2hvcnQ=" not in str(caught.value)
