"""Running and waiting jobs, and the models, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc.sweeping import sweep
from tests.unit.api.test_progress import submitted
from tests.unit.api.test_submit import MPS

if TYPE_CHECKING:
    from tests.unit.api.client import Client


def lane(client: Client, name: str) -> dict[str, Any]:
    answer = client.get("/v1/lanes")
    assert answer.status == 200
    [described] = [candidate for candidate in answer.body["lanes"] if candidate["name"] == name]
    return dict(described)


def test_lane_counts_running_and_waiting_jobs(client: Client) -> None:
    for _ in range(3):
        submitted(client)

    assert lane(client, "vod.image") == {
        "name": "vod.image",
        "limit": 1,
        "limit_now": 1,
        "in_use": 1,
        "waiting": 2,
        "waiting_is_exact": True,
        "slowed_down_at": None,
        "paused": None,
    }


def test_lanes_do_not_count_each_other(client: Client) -> None:
    submitted(client, MPS)

    assert lane(client, "vod.image")["in_use"] == 0
    assert lane(client, "mps.image")["in_use"] == 1


def test_slowed_lane_has_the_time_of_its_cut(client: Client) -> None:
    client.world.vendor.next_creates = ["throttle"] * 4
    submitted(client, MPS)

    described = lane(client, "mps.image")

    assert described["limit_now"] < described["limit"]
    assert described["slowed_down_at"].startswith("2026-11-20T12:00:0")


def test_each_lane_costs_one_request_and_the_last_sweep_another(client: Client) -> None:
    client.world.store.requests.clear()

    client.get("/v1/lanes")

    assert len(client.world.store.requests) == 3 + 1


def test_lanes_have_the_times_of_the_last_sweep(client: Client) -> None:
    before = client.get("/v1/lanes").body["sweep"]
    client.world.clock.pass_time(60)
    sweep(client.world.runtime())

    assert before == {"started_at": None, "finished_at": None}
    assert client.get("/v1/lanes").body["sweep"] == {
        "started_at": "2026-11-20T12:01:00+00:00",
        "finished_at": "2026-11-20T12:01:00+00:00",
    }


def test_models_are_listed_with_their_date_and_limits(client: Client) -> None:
    body = client.get("/v1/models").body

    kinds = {entry["kind"]: entry for entry in body["kinds"]}
    [model] = [
        entry
        for entry in kinds["vod.image"]["models"]
        if (entry["name"], entry["version"]) == ("GG", "3.0")
    ]
    limits = {entry["parameter"]: entry for entry in model["limits"]}
    assert body["as_of"] == "2026-11-20"
    assert kinds["mps.image"]["endpoint"] == MPS
    assert limits["file_infos"]["at_most"] == 14
    assert "16:9" in limits["output_config.aspect_ratio"]["one_of"]


def test_models_include_the_scenes(client: Client) -> None:
    scenes = {scene["name"]: scene for scene in client.get("/v1/models").body["scenes"]}

    assert scenes["ai_try_on"]["config"] == "ai_try_on_config"
    assert scenes["change_clothes"]["is_deprecated"] is True


def test_limits_of_a_scene_have_the_form_of_a_models_limits(client: Client) -> None:
    scenes = {scene["name"]: scene for scene in client.get("/v1/models").body["scenes"]}
    limits = {
        name: {limit["parameter"]: limit for limit in scene["limits"]}
        for name, scene in scenes.items()
    }

    clothes = "scene_info.change_clothes_config"
    assert limits["product_image"]["file_infos"] == {
        "parameter": "file_infos",
        "allowed": "1 to 10",
        "at_least": 1,
        "at_most": 10,
    }
    assert "at_most" not in limits["outpainting"]["file_infos"]
    assert limits["ai_try_on"]["output_config.aspect_ratio"]["one_of"] == []
    assert "output_config.resolution" not in limits["ai_try_on"]
    assert limits["change_clothes_under"][f"{clothes}.clothes_file_infos"]["at_most"] == 1
    assert limits["change_clothes_under"][f"{clothes}.prompt"]["one_of"] == []
