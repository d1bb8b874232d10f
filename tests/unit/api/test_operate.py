"""Replay and restore through the API: only with permission, and never paid twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aigc.api import operate
from aigc.errors import AmbiguousError, BadImageError
from aigc.jobs.replay import replay as replay_job
from aigc.jobs.transitions import MAX_ATTEMPTS
from aigc.prices import Prices
from aigc.sweeping import sweep
from tests.fakes import StoreFault
from tests.unit.api.test_keys import put_key, with_key
from tests.unit.api.test_progress import failed, finished, status_of, submitted

if TYPE_CHECKING:
    from tests.unit.api.client import Answer, Client


def dead(client: Client) -> str:
    """Have a job fail through no fault of its caller, with a task that may have been billed."""
    request_id = failed(client, "InternalError")
    status_of(client, request_id)
    return request_id


def unusable(client: Client) -> str:
    """Have a job fail with images that are paid for and that the vendor still has."""
    request_id = finished(client)
    client.world.downloads.errors = [BadImageError("no image")]
    status_of(client, request_id)
    return request_id


def replay(client: Client, request_id: str, attempt: int = 1, **more: Any) -> Answer:
    return client.post(f"/v1/jobs/{request_id}/replay", {"attempt": attempt, **more})


def restore(client: Client, request_id: str) -> Answer:
    return client.post(f"/v1/jobs/{request_id}/restore", "")


def job_of(client: Client, request_id: str) -> dict[str, Any]:
    return dict(client.get(f"/v1/jobs/{request_id}").body)


def test_a_dead_job_runs_again(client: Client) -> None:
    request_id = dead(client)

    answer = replay(client, request_id, pay_again=True)

    assert answer.status == 202
    assert answer.body == {"request_id": request_id, "state": "queued", "attempt": 2}
    client.world.vendor.finish(client.world.vendor.tasks[-1])
    assert job_of(client, request_id)["state"] == "succeeded"


def test_an_attempt_that_may_have_been_billed_needs_a_confirmation(client: Client) -> None:
    request_id = dead(client)

    refused = replay(client, request_id)

    assert refused.status_and_type == (409, "may_be_billed")
    assert "pay_again = true" in refused.body["detail"]
    assert len(client.world.vendor.tasks) == 1


def test_an_attempt_that_cost_nothing_needs_none(client: Client) -> None:
    client.world.vendor.next_creates = ["throttle"] * 4 * MAX_ATTEMPTS
    request_id = submitted(client)
    for _ in range(60):
        client.world.clock.pass_time(60)
        sweep(client.world.runtime())
    last = job_of(client, request_id)["attempts"][-1]

    assert (last["number"], last["may_be_billed"]) == (MAX_ATTEMPTS, False)
    assert replay(client, request_id, MAX_ATTEMPTS).status == 202


def test_images_that_are_paid_for_are_restored_and_not_paid_again(client: Client) -> None:
    request_id = unusable(client)

    assert job_of(client, request_id)["operations"] == ["replay", "restore"]
    assert replay(client, request_id).status_and_type == (409, "restorable")
    assert restore(client, request_id).body["state"] == "storing"
    assert restore(client, request_id).status == 202  # a repeat
    sweep(client.world.runtime())

    assert job_of(client, request_id)["state"] == "succeeded"
    assert len(client.world.vendor.tasks) == 1


@pytest.mark.parametrize("ends_meanwhile", [False, True])
def test_a_repeat_after_a_lost_answer_makes_no_further_attempt(
    client: Client, *, ends_meanwhile: bool
) -> None:
    request_id = dead(client)
    replay(client, request_id, pay_again=True)
    if ends_meanwhile:
        client.world.vendor.fail(client.world.vendor.tasks[-1], "InternalError")
        status_of(client, request_id)

    repeat = replay(client, request_id, pay_again=True)

    assert (repeat.status, repeat.body["attempt"]) == (202, 2)
    assert len(client.world.vendor.tasks) == 2


def test_two_replays_at_once_make_one_attempt(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = dead(client)
    answers = []

    def overtaken(job_id: str, runtime: Any, **more: Any) -> Any:
        """Let another replay pass between the read of the handler and its replay."""
        monkeypatch.setattr(operate, "replay_job", replay_job)
        answers.append(replay(client, request_id, pay_again=True))
        return replay_job(job_id, runtime, **more)

    monkeypatch.setattr(operate, "replay_job", overtaken)
    answers.append(replay(client, request_id, pay_again=True))

    assert [(answer.status, answer.body["attempt"]) for answer in answers] == [(202, 2)] * 2
    assert len(client.world.vendor.tasks) == 2


def test_a_replay_of_a_claimed_job_may_be_repeated(client: Client) -> None:
    request_id = dead(client)
    runtime = client.world.runtime()
    job = runtime.ledger.records.read(request_id)
    assert job is not None
    runtime.ledger.claims.claim(job)

    answers = [replay(client, request_id, pay_again=True), restore(client, request_id)]

    assert answers[0].status_and_type == (409, "busy")
    assert answers[0].headers["Retry-After"] == str(operate.RETRY_S)
    assert answers[0].body["retryable"] is True


def test_an_attempt_that_does_not_exist_is_named(client: Client) -> None:
    answer = replay(client, dead(client), attempt=2)

    assert (answer.status, answer.body["field"], answer.body["allowed"]) == (422, "attempt", "1")


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (submitted, "not_failed"),
        (lambda client: failed(client, "InvalidParameter.VoilationContent"), "permanent_error"),
    ],
    ids=["running", "moderated"],
)
def test_other_jobs_are_not_replayed(client: Client, make: Any, word: str) -> None:
    request_id = make(client)
    status_of(client, request_id)

    assert replay(client, request_id).status_and_type == (409, word)
    assert "replay" not in job_of(client, request_id)["operations"]


def test_a_job_without_images_is_not_restored(client: Client) -> None:
    assert restore(client, dead(client)).status_and_type == (409, "not_succeeded")
    assert restore(client, submitted(client)).status_and_type == (409, "not_failed")
    assert restore(client, "none").status_and_type == (404, "not_found")


# Keys


def test_a_key_of_the_ledger_may_operate_only_if_it_was_made_so(client: Client) -> None:
    request_id = unusable(client)
    plain = with_key(client, put_key(client.world, "plain"))
    operator = with_key(client, put_key(client.world, "operator", operate=True))

    refused = [replay(plain, request_id, pay_again=True), restore(plain, request_id)]

    assert [answer.status_and_type for answer in refused] == [(403, "forbidden")] * 2
    assert "--operate" in refused[0].body["detail"]
    assert job_of(plain, request_id)["operations"] == []
    assert restore(operator, request_id).status == 202


def test_a_key_for_its_own_only_operates_its_own_only(client: Client) -> None:
    narrow = with_key(client, put_key(client.world, "narrow", own_only=True, operate=True))
    other, own = dead(client), dead(narrow)

    assert replay(narrow, other, pay_again=True).status_and_type == (404, "not_found")
    assert restore(narrow, other).status_and_type == (404, "not_found")
    assert replay(narrow, own, pay_again=True).status == 202


def test_a_replay_is_held_to_the_limits_of_its_key(client: Client) -> None:
    client.world.prices = Prices.parse(
        {"currency": "CNY", "price": [{"model": "GG", "per_image": "0.25"}]}
    )
    ids = [dead(client), dead(client)]
    mps = with_key(client, put_key(client.world, "mps", operate=True, kinds=["mps.image"]))
    daily = with_key(client, put_key(client.world, "daily", operate=True, jobs_per_day=1))
    budget = {"operate": True, "budget_per_month": "0.30"}
    poor = with_key(client, put_key(client.world, "poor", **budget))

    assert replay(mps, ids[0], pay_again=True).status_and_type == (403, "forbidden")
    assert replay(daily, ids[0]).status_and_type == (409, "may_be_billed")  # costs no permit
    assert replay(daily, ids[0], pay_again=True).status_and_type == (202, "")
    assert replay(daily, ids[0], pay_again=True).status_and_type == (
        202,
        "",
    )  # a repeat costs none either
    assert replay(daily, ids[1], pay_again=True).status_and_type == (429, "quota_exceeded")
    assert replay(poor, ids[1], pay_again=True).status_and_type == (202, "")
    client.world.vendor.fail(client.world.vendor.tasks[-2], "InternalError")
    status_of(client, ids[0])
    assert replay(poor, ids[0], 2, pay_again=True).status_and_type == (429, "budget_exceeded")


def test_a_replay_whose_write_was_lost_can_be_repeated(client: Client) -> None:
    request_id = dead(client)
    client.world.store.faults = [
        StoreFault("put jobs/", AmbiguousError("put"), takes_effect=True),
        StoreFault("put jobs/", AmbiguousError("put"), takes_effect=True),
    ]

    for _ in range(3):
        replay(client, request_id, pay_again=True)
        client.world.clock.pass_time(100)
        sweep(client.world.runtime())

    assert len(client.world.vendor.tasks) == 2
    assert [one["number"] for one in job_of(client, request_id)["attempts"]] == [1, 2]
