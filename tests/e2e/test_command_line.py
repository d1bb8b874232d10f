"""The `aigc` command: its output, its files, its exit status, and the arguments that it refuses."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from PIL import Image

from aigc.errors import AmbiguousError, CloudError
from aigc.jobs.job import State
from aigc.labels.files import read_labels
from aigc_cli import cli, connection, local, rules
from aigc_cli.cli import COMMANDS
from aigc_cli.output import print_table
from tests.e2e.stack import ROOT, SAMPLES, Stack, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL_COMMANDS = dict(cli.all_commands())
NO_JSON = {"mcp"}
"""`mcp` speaks JSON-RPC on stdout."""

KEYS = {
    "cloud",
    "gateway",
    "api_key",
    "secret_id",
    "secret_key",
    "region",
    "app_id",
    "sub_app_id",
    "buckets",
}


def test_demo_makes_six_images_and_reports_them(tmp_path: Path) -> None:
    own_file = tmp_path / "results" / "notes.txt"
    own_file.parent.mkdir()
    own_file.write_text("mine")
    command = [sys.executable, "-m", "aigc_cli", "demo", "--results", str(tmp_path / "results")]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 jobs succeeded" in done.stdout
    images = [path for path in (tmp_path / "results").rglob("*") if path.suffix == ".png"]
    assert len(images) == 6
    assert own_file.read_text() == "mine"
    for image in images:
        Image.open(image).verify()
        name = image.stem.rpartition("-")[0] + ".json"
        description = json.loads(image.with_name(name).read_text())
        assert description["kind"] in {"vod.image", "vod.scene_image", "mps.image"}
        assert description["images"][0]["labels"] == ["tc260", "iptc"]
        assert read_labels(image.read_bytes()).names == ("tc260", "iptc")


def test_local_keeps_its_state_and_stops_all_its_child_processes(tmp_path: Path) -> None:
    options = ("--speed", "30", "--data", str(tmp_path))
    photo = (SAMPLES / "cat.jpg").read_bytes()
    with running(*options) as stack:
        stack.upload("anime/kept.jpg", photo)
        wait_for(lambda: "anime/kept.jpg.json" in stack.results("anime/"))
        paid = stack.tasks()
        assert_stops(stack, signal.SIGTERM)

    with running(*options) as stack:
        assert "anime/kept.jpg.json" in stack.results("anime/")
        assert stack.tasks() == paid
        stack.upload("anime/more.jpg", photo)
        wait_for(lambda: "anime/more.jpg.json" in stack.results("anime/"))
        assert_stops(stack, signal.SIGINT)


def assert_stops(stack: Stack, number: signal.Signals) -> None:
    """Stop `aigc local` with a signal; it has printed one line, and leaves no process behind."""
    assert stack.process is not None
    children = descendants(stack.process.pid)
    stack.process.send_signal(number)
    status = stack.process.wait(30)
    assert stack.process.stdout is not None
    rest = stack.process.stdout.read()

    assert stack.connection.keys() >= KEYS
    assert stack.connection["buckets"].keys() == {"inbox", "results", "ledger"}
    assert (status, rest) == (0, "")
    assert children
    wait_for(lambda: not any(map(is_alive, children)))


def test_log_line_is_written_with_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of two threads must not mix: print() writes the line end separately."""
    written: list[str] = []
    stream = io.StringIO()
    monkeypatch.setattr(stream, "write", written.append)
    monkeypatch.setattr(sys, "stderr", stream)

    local.log_line("[upload] upload_not_wanted")

    assert written == ["[upload] upload_not_wanted\n"]


INVALID = {
    "local --speed 0": "'--speed': '0'; allowed: a number above 0",
    "local --speed nan": "'--speed': 'nan'; allowed: a number above 0",
    "local --speed fast": "'--speed': 'fast'; allowed: a number above 0",
    "local --port -1": "'--port': '-1'; allowed: 0 to 65535",
    "local --port 65536": "'--port': '65536'; allowed: 0 to 65535",
    "local --timeout 9": "'--timeout': '9'; allowed: 10 to 900",
    "local --data README.md": "'--data': 'README.md'; allowed: a writable folder, or a new one",
    "local --data README.md/x": "'--data': 'README.md/x'; allowed: a writable folder, or a new one",
    "demo --results README.md": "'--results': 'README.md'; allowed: a writable folder",
    "package --out README.md": "'--out': 'README.md'; allowed: a writable folder",
    "prices docs": "'file': 'docs' is not a file",
    "rules check nowhere.toml": "'file': 'nowhere.toml' is not a file",
    "rules test a/": "'key': 'a/': it must name a file",
    "rules test a.jpg --meta x": "'--meta': 'x'; allowed: name=value",
    "rules test a.jpg --size 0": "'--size': '0'; allowed: 1 or more",
    "batch run nowhere.jsonl": "'file': 'nowhere.jsonl' is not a file",
    "batch run README.md --priority high": "'--priority': 'high'; allowed: low, normal",
    "batch check README.md --kind vod.film": "'--kind': 'vod.film'; allowed: vod.image",
    "upload nowhere.jpg": "'file': 'nowhere.jpg' is not a file",
    "upload": "nothing to do; needed: a file, --results, or both",
    "submit x --kind other": "'--kind': 'other'; allowed: one of vod.image",
    "keys new": "Missing argument 'name'",
    "keys new Shop": "'name': 'Shop'; allowed: at most 40 of a-z",
    "keys new shop --kinds video": "'--kinds': 'video'; allowed: some of vod.image,",
    "keys new shop --jobs-per-day 0": "'--jobs-per-day': '0'; allowed: 1 or more",
    "keys new shop --requests-per-minute x": "'--requests-per-minute': 'x'; allowed: 1 or",
    "keys new shop --budget 0": "'--budget': '0'; allowed: an amount above 0",
    "keys new shop --budget -1": "'--budget': '-1'; allowed: an amount above 0",
    "keys new shop --budget 1e3": "'--budget': '1e3'; allowed: an amount above 0",
    "uploads list --outcome x": "'--outcome': 'x' is not one of 'job', 'none', 'pending'",
    "nonsense": "No such command 'nonsense'",
}
"""Arguments → a part of the message."""


def test_invalid_argument_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)

    for arguments, message in INVALID.items():
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments.split())

        assert ended.value.code == 2, arguments
        assert message in capsys.readouterr().err.splitlines()[-1]


def test_jobs_are_listed_by_every_state(capsys: pytest.CaptureFixture[str]) -> None:
    states = get_args(State)

    with pytest.raises(SystemExit):
        cli.main(["jobs", "list", "--state", "done"])
    refusal = capsys.readouterr().err
    cli.main(["jobs", "list", "--help"])
    help_text = capsys.readouterr().out

    assert [state for state in states if repr(state) not in refusal] == []
    assert [state for state in states if state not in help_text] == []


def test_help_of_every_command_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ALL_COMMANDS:
        assert cli.main([*words.split(), "--help"]) == 0
        help_text = capsys.readouterr().out
        assert f"Usage: aigc {words}" in help_text
        assert f"Example: aigc {words}" in help_text
        assert "<bool>" not in help_text


def test_every_command_prints_json_on_request() -> None:
    without = {
        words
        for words, command in ALL_COMMANDS.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }

    assert without == NO_JSON


def test_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0

    help_text = capsys.readouterr().out
    assert [name for name in COMMANDS if f" {name} " not in help_text] == []


def test_shell_completes_commands_options_and_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_AIGC_COMPLETE", "complete_bash")

    for typed, proposed in {
        "aigc jo": ["jobs"],
        "aigc jobs re": ["replay", "restore"],
        "aigc submit --ki": ["--kind"],
        "aigc jobs list --state s": ["submitting", "storing", "succeeded"],
    }.items():
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
        with contextlib.suppress(SystemExit):
            cli.main([])

        assert capsys.readouterr().out.split() == proposed


def test_completion_is_installed_for_the_shell_that_runs_the_command(tmp_path: Path) -> None:
    # Bash would replace itself with a command that is its last.
    line = f"{shlex.quote(sys.executable)} -m aigc_cli --install-completion; exit $?"
    command = ["bash", "-c", line]

    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"HOME": str(tmp_path)}, check=False)

    assert done.returncode == 0
    script = tmp_path / ".bash_completions" / "aigc.sh"
    assert "_AIGC_COMPLETE=complete_bash" in script.read_text()
    assert str(script) in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_output_pipe_causes_no_traceback(unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "aigc_cli", "models"],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_closed_output_causes_no_traceback() -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m aigc_cli prices >&-"],  # noqa: S607
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_each_row_of_a_table_is_one_line_without_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table([("ID", "WHY"), ("1", "[bold] " + "long " * 60), ("2", "")])

    assert capsys.readouterr().out.splitlines() == [
        "ID  WHY",
        "1   [bold] " + "long " * 59 + "long",
        "2",
    ]


def test_interrupted_command_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rules, "load_rules", interrupt)

    assert cli.main(["rules", "check"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_missing_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([])

    assert ended.value.code == 2
    assert "Usage: aigc" in "".join(capsys.readouterr())


def test_error_names_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        status = cli.main(["local", "--no-provision", "--port", str(port)])

    assert status == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"cannot start on port {port}: " in line
    assert line.endswith("--port 0 chooses a free one")


def test_error_in_rules_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("rule = [")

    status = cli.main(["rules", "check", str(file)])

    assert status == 1
    assert capsys.readouterr().err.startswith("aigc rules: rules.toml is not TOML: ")


def test_error_of_the_cloud_has_its_status_and_an_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    errors = [
        (CloudError("cos read a", code="ExpiredToken"), 3, "the cloud refuses these credentials"),
        (CloudError("cos read a", code="AuthFailure.SignatureExpire"), 3, "these credentials"),
        (CloudError("cos read a", code="SignatureDoesNotMatch"), 3, "set TENCENTCLOUD_SECRET_ID"),
        (CloudError("cos read a", code="AccessDenied"), 1, "AccessDenied"),
        (AmbiguousError("cos read a"), 3, "trying again may help"),
    ]

    for error, status, advice in errors:

        def fail(_path: Path, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(rules, "load_rules", fail)

        assert cli.main(["rules", "check"]) == status
        assert advice in capsys.readouterr().err


def test_hints_of_the_local_cloud_fit_80_columns() -> None:
    url = "http://127.0.0.1:45678"
    shown = local.HINTS.format(
        pace="1/10 of their time",
        console_hint=local.CONSOLE_HINTS.format(console=f"{url}/console", api_key="k" * 32),
        gateway=url,
        api_key="k" * 32,
        results="aigc-local-results-1250000000",
        cloud=url,
        endpoint="127.0.0.1:45678",
        secret_id="AKID" + "x" * 32,
        connection="/run/user/1000/aigc-local.json",
        fal=local.FAL_HINTS.format(variables="FAL_KEY=k"),
    )

    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_upload_without_a_running_cloud_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    message = "aigc upload: no local cloud is running; start one with `make local`\n"

    assert cli.main(["upload", "--results"]) == 3
    assert capsys.readouterr().err == message
    ended_cloud = {"cloud": "http://127.0.0.1:9"}
    connection.connection_file().write_text(json.dumps(ended_cloud))
    assert cli.main(["upload", "--results"]) == 3
    assert capsys.readouterr().err == message


def test_ending_cloud_keeps_the_announcement_of_a_newer_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    file = connection.connection_file()

    with contextlib.ExitStack() as newer:
        with connection.announced({"cloud": "older"}):
            newer.enter_context(connection.announced({"cloud": "newer"}))
        mode = file.stat().st_mode & 0o777
        announcement = json.loads(file.read_text())

    assert announcement == {"cloud": "newer"}
    assert mode == 0o600
    assert not file.exists()


def descendants(pid: int) -> list[int]:
    """List all descendants of a process, as the kernel reports them."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for path in tasks for child in path.read_text().split()]
    return children + [descendant for child in children for descendant in descendants(child)]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in states([pid])


def states(pids: Iterable[int]) -> str:
    paths = [Path(f"/proc/{pid}/stat") for pid in pids]
    return "".join(
        path.read_text().rpartition(")")[2].split()[0] for path in paths if path.exists()
    )
