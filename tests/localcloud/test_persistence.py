"""The state after a restart and after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.cloud import LocalCloud
from localcloud.core import Clock
from localcloud.cos.store import SMALL
from localcloud.journal import Journal
from localcloud.results import Results
from localcloud.tasks import Failure, Task
from tests.localcloud.clients import BUCKET, IMAGE, Api, content_of, cos, get

if TYPE_CHECKING:
    from pathlib import Path


def test_objects_tasks_applications_and_the_key_survive_a_restart(tmp_path: Path) -> None:
    with LocalCloud(speed=50, data=tmp_path) as cloud:
        api, store = Api(cloud), cos(cloud)
        store.create_bucket(BUCKET)
        store.put_object(BUCKET, b"hello", "a b/猫", Metadata={"x-cos-meta-x": "1"})
        store.put_bucket_acl(BUCKET, ACL="public-read")
        app = api.vod("CreateSubAppId", Name="images")["SubAppId"]
        api.vod("ModifyEventConfig", SubAppId=app, Mode="PULL")
        done = api.image_task(app, "done", SessionId="once")
        [file] = api.ended_task(app, done)["AigcImageTask"]["Output"]["FileInfos"]
        cloud.clock.speed = 0.001
        waiting = api.image_task(app, "waiting")

    with LocalCloud(speed=50, data=tmp_path) as cloud:
        api, store = Api(cloud), cos(cloud)
        task = {**IMAGE, "SubAppId": app, "SessionId": "once"}
        again = api.refusal("vod", "CreateAigcImageTask", **task)

        assert store.get_object(BUCKET, "a b/猫")["x-cos-meta-x"] == "1"
        assert store.get_bucket_acl(BUCKET)["CannedACL"] == "public-read"
        assert api.vod("DescribeEventConfig", SubAppId=app)["Mode"] == "PULL"
        assert again == "InvalidParameterValue.SessionId"
        assert get(cloud, file["FileUrl"]).content.startswith(b"\x89PNG")
        assert api.ended_task(app, waiting)["AigcImageTask"]["ErrCode"] == 0


def test_contents_of_any_size_and_bytes_survive_a_restart(tmp_path: Path) -> None:
    contents = {
        str(size): bytes(number % 256 for number in range(size)) for size in (0, SMALL, SMALL + 1)
    }
    with LocalCloud(data=tmp_path) as cloud:
        store = cos(cloud)
        store.create_bucket(BUCKET)
        for key, content in contents.items():
            store.put_object(BUCKET, content, key)
        store.put_object(BUCKET, b"gone", "deleted")
        store.delete_object(BUCKET, "deleted")

    with LocalCloud(data=tmp_path) as cloud:
        store = cos(cloud)
        keys = [entry["Key"] for entry in store.list_objects(BUCKET)["Contents"]]
        kept = {key: content_of(store, key) for key in keys}

    assert kept == contents


def test_journal_ignores_a_line_that_a_crash_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "book.jsonl"
    journal = Journal(path)
    journal.write("a", 1)
    journal.write("b", 2)
    journal.write("a", 3)
    journal.write("b", None)
    journal.close()
    with path.open("a") as file:
        file.write('["c", {"half":')

    reopened = Journal(path)
    reopened.close()

    assert reopened.entries == {"a": 3}
    assert path.read_text() == '["a", 3]\n'


def test_images_of_an_earlier_version_are_served(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"image")
    (tmp_path / "index.jsonl").write_text(
        '["host/a.png", {"file": "a.png", "file_id": "1", "expires_at": null}]\n'
    )

    results = Results(tmp_path, Clock())

    assert results.by_file_id("1") == b"image"
    results.close()


def test_task_of_an_earlier_version_is_read() -> None:
    names = {"service": "vod", "action": "CreateAigcImageTask", "task_id": "1", "prompt": "x"}
    failure = {"code": 70000, "ext": "", "message": "m"}

    task = Task.of_json(
        {**names, "params": {}, "overflows": True, "doom": failure, "error": None},
    )

    assert task.exceeds_limit
    assert task.planned_failure == Failure(70000, "", "m")
