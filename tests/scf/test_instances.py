"""The environment of a function, and the life of its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localcloud.scf.package import choose_interpreter
from tests.scf.conftest import PATIENCE_S, zipped

if TYPE_CHECKING:
    from tests.scf.conftest import FunctionTool

ECHO = """
    import os

    def main_handler(event, context):
        return {"event": event, "context": context, "environment": dict(os.environ),
                "cwd": os.getcwd(), "pid": os.getpid()}
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_function_gets_event_and_context_as_in_the_cloud(functions: FunctionTool) -> None:
    variables = [{"Key": "COLOUR", "Value": "red"}]
    functions.create("echo", ECHO, Environment={"Variables": variables}, MemorySize=256)

    seen = functions.invoke("echo", {"a": [1, None, "é"]})

    assert seen["event"] == {"a": [1, None, "é"]}
    context = seen["context"]
    assert json.loads(context.pop("environment"))["COLOUR"] == "red"
    assert "COLOUR=red" in context.pop("environ").split(";")
    assert len(context.pop("request_id")) == 36
    assert context == {
        "memory_limit_in_mb": 256,
        "time_limit_in_ms": 1000 * PATIENCE_S,
        "function_version": "$LATEST",
        "function_name": "echo",
        "namespace": "default",
        "tencentcloud_region": "ap-guangzhou",
        "tencentcloud_appid": "1250000000",
        "tencentcloud_uin": "100000000001",
    }


def test_environment_has_the_keys_of_the_role_and_nothing_of_this_process(
    functions: FunctionTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DEVELOPER", "x")
    functions.create("echo", ECHO, Role="worker")

    seen = functions.invoke("echo")["environment"]

    key = functions.cloud.keys.find(seen["TENCENTCLOUD_SECRETID"])
    assert key is not None
    assert (key.role, key.token) == ("worker", seen["TENCENTCLOUD_SESSIONTOKEN"])
    assert seen["TENCENTCLOUD_RUNENV"] == "SCF"
    assert seen["HTTP_PROXY"] == functions.cloud.url
    assert "SECRET_OF_THE_DEVELOPER" not in seen


def test_function_without_a_role_has_no_keys(functions: FunctionTool) -> None:
    functions.create("echo", ECHO)

    seen = functions.invoke("echo")["environment"]

    assert not [name for name in seen if name.startswith("TENCENTCLOUD_SECRET")]


def test_code_folder_is_read_only_and_the_working_directory(functions: FunctionTool) -> None:
    functions.create("echo", ECHO)

    folder = Path(functions.invoke("echo")["cwd"])

    assert {path.name: path.stat().st_mode & 0o222 for path in [folder, *folder.iterdir()]} == {
        folder.name: 0,
        "index.py": 0,
    }


def test_packages_of_this_machine_cannot_be_imported(functions: FunctionTool) -> None:
    functions.create("needy", "import pydantic\ndef main_handler(event, context): pass\n")

    result = functions.invoke("needy")

    assert result["statusCode"] == 443
    assert result["errorMessage"] == "ModuleNotFoundError: No module named 'pydantic'"


def test_idle_instance_is_reused(functions: FunctionTool) -> None:
    functions.create("echo", ECHO)

    first, second = functions.invoke("echo")["pid"], functions.invoke("echo")["pid"]

    assert first == second


def test_function_scales_out_to_its_limit_and_further_events_wait(functions: FunctionTool) -> None:
    functions.create(
        "slow",
        """
        import os, time

        def main_handler(event, context):
            time.sleep(0.3)
            return os.getpid()
        """,
    )

    with ThreadPoolExecutor(6) as callers:
        pids = list(callers.map(lambda _: functions.invoke("slow"), range(6)))

    assert len(set(pids)) == functions.counters("slow")["instances"] == 4


def test_exception_becomes_an_error_with_its_type(functions: FunctionTool) -> None:
    functions.create("broken", "def main_handler(event, context): return event['missing']\n")

    result = functions.invoke("broken", {})

    assert (result["statusCode"], result["errorMessage"]) == (430, "KeyError: 'missing'")
    assert "in main_handler" in result["stackTrace"]


def test_value_without_a_json_form_is_an_error(functions: FunctionTool) -> None:
    functions.create("odd", "def main_handler(event, context): return {1, 2}\n")

    result = functions.invoke("odd")

    assert result["statusCode"] == 430
    assert "not JSON serializable" in result["errorMessage"]


def test_missing_handler_is_an_error(functions: FunctionTool) -> None:
    functions.create("empty", "other = 1\n")

    result = functions.invoke("empty")

    assert result["statusCode"] == 443
    assert "main_handler" in result["errorMessage"]


def test_timeout_kills_the_process(functions: FunctionTool) -> None:
    functions.create(
        "sleeper",
        """
        import os, time

        def main_handler(event, context):
            if event:
                time.sleep(60)
            return os.getpid()
        """,
        Timeout=1,
    )
    pid = functions.invoke("sleeper")

    result = functions.invoke("sleeper", "sleep")

    assert result["statusCode"] == 433
    assert result["errorMessage"] == "Invoking task timed out after 1 seconds"
    assert not alive(pid)
    assert functions.invoke("sleeper") != pid


def test_ending_process_is_an_error_and_the_next_event_gets_a_new_process(
    functions: FunctionTool,
) -> None:
    functions.create(
        "quitter",
        """
        import os

        def main_handler(event, context):
            if event:
                os._exit(3)
            return "fine"
        """,
    )

    result = functions.invoke("quitter", "quit")

    assert (result["statusCode"], result["errorMessage"]) == (
        439,
        "User process exit with code 3 when running",
    )
    assert functions.invoke("quitter") == "fine"


def test_kill_fault_ends_the_instance_during_its_work(functions: FunctionTool) -> None:
    functions.create(
        "victim",
        """
        import time

        def main_handler(event, context):
            time.sleep(1)
            return "done"
        """,
    )
    functions.cloud.faults.replace([{"where": "scf.victim", "what": "kill:0.2", "times": 1}])

    results = [functions.invoke("victim"), functions.invoke("victim")]

    assert results[0]["statusCode"] == 439
    assert results[1] == "done"


def test_output_goes_to_the_log_and_not_into_the_answer(functions: FunctionTool) -> None:
    lines: list[str] = []
    functions.scf.log_listeners.append(lines.append)
    functions.create(
        "talker",
        """
        import os, sys

        def main_handler(event, context):
            print("to stdout", flush=True)
            os.write(1, b"by descriptor\\n")
            print("to stderr", file=sys.stderr)
            return "answer"
        """,
    )

    answer = functions.invoke("talker")
    functions.call("DeleteFunction", FunctionName="talker")

    assert answer == "answer"
    assert lines == ["[talker] to stdout", "[talker] by descriptor", "[talker] to stderr"]


def test_new_code_serves_the_next_event(functions: FunctionTool) -> None:
    functions.create("greeter", "def main_handler(event, context): return 'old'\n")
    before = functions.invoke("greeter")

    code = {"ZipFile": zipped({"index.py": "def main_handler(event, context): return 'new'\n"})}
    functions.call("UpdateFunctionCode", FunctionName="greeter", Code=code)

    assert (before, functions.invoke("greeter")) == ("old", "new")


def test_stop_leaves_no_process_behind(functions: FunctionTool) -> None:
    functions.create("echo", ECHO)
    functions.create(
        "busy",
        """
        import time
        from pathlib import Path

        def main_handler(event, context):
            Path(event).write_text(str(__import__("os").getpid()))
            time.sleep(60)
        """,
        Timeout=60,
    )
    idle = functions.invoke("echo")["pid"]
    note = Path(functions.scf._folder.name, "pid")  # noqa: SLF001  a folder that goes with it
    functions.call(
        "Invoke", FunctionName="busy", InvocationType="Event", ClientContext=json.dumps(str(note))
    )
    busy = _wait_for_number(note)

    functions.scf.stop()

    assert not alive(idle)
    assert not alive(busy)


def test_instances_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            sys.path[:0] = ["functions", "."]
            from tests.scf.conftest import FakeCloud, FunctionTool
            from localcloud.scf.service import Scf

            cloud = FakeCloud()
            functions = FunctionTool(Scf(cloud), cloud)
            functions.create(
                "idle", "import os\\ndef main_handler(event, context): return os.getpid()\\n"
            )
            print(functions.invoke("idle"), flush=True)
            time.sleep(60)
            """
        )
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=root,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # a killed process cannot clean up
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        was_alive = alive(pid)

        parent.send_signal(signal.SIGKILL)
        parent.wait()

    assert was_alive
    assert _dies(pid)


def test_interpreter_has_the_version_that_the_package_was_built_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions: list[str] = []
    monkeypatch.setattr("localcloud.scf.package.find_python", versions.append)

    for names in (
        ["a.cpython-311-x86_64-linux-gnu.so"],
        ["__pycache__/a.cpython-39.pyc"],
        ["a.cpython-310.pyc", "b.cpython-311.pyc"],
        ["a.py"],
    ):
        assert choose_interpreter(names) == sys.executable

    assert versions == ["3.11", "3.9", "3.10", "3.10"]


def _wait_for_number(file: Path) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if file.exists() and file.read_text():
            return int(file.read_text())
        time.sleep(0.01)
    pytest.fail("the function never began")


def _dies(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        # A dead process whose parent is dead stays a zombie until init reaps it.
        if not alive(pid) or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.01)
    return False
