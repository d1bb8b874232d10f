"""`aigc upload`: put a picture into the local cloud's inbox, with the official COS SDK."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from qcloud_cos import CosConfig, CosS3Client

from aigc.errors import InvalidRequestError
from ops import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
CONNECTION = ROOT / ".local" / "connection.json"
"""Written by `aigc local` while it runs."""

SIGNED_S = 3600


def main(arguments: Sequence[str]) -> int:
    """Upload one file, or list what has come of the uploads.

    Raises:
        InvalidRequestError: No local cloud is running.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.file is None and not given.results:
        parser.error("nothing to do; allowed: a file, --results, or both")
    connection = running_cloud()
    if given.file is not None:
        _upload(connection, given.file, given.key or given.file.name, given.prompt)
    if given.results:
        _list_results(connection)
    return 0


@contextlib.contextmanager
def announced(connection: dict[str, Any]) -> Iterator[None]:
    """Let this command find a cloud while it runs; of several, the one that came last."""
    word = json.dumps(connection)
    CONNECTION.parent.mkdir(exist_ok=True)
    CONNECTION.touch(mode=0o600)
    CONNECTION.write_text(word)
    try:
        yield
    finally:
        if CONNECTION.exists() and CONNECTION.read_text() == word:
            CONNECTION.unlink()


def cos_client(connection: dict[str, Any]) -> CosS3Client:
    """Make the official client for the local cloud, reached as a proxy."""
    return CosS3Client(
        CosConfig(
            Region=connection["region"],
            SecretId=connection["secret_id"],
            SecretKey=connection["secret_key"],
            Scheme="http",
            EnableOldDomain=True,
            Proxies={"http": connection["cloud"]},
        )
    )


def running_cloud() -> dict[str, Any]:
    """Read what the running cloud announced; one that was killed has left that behind.

    Raises:
        InvalidRequestError: None is running.
    """
    with contextlib.suppress(FileNotFoundError, requests.ConnectionError):
        connection: dict[str, Any] = json.loads(CONNECTION.read_text())
        requests.get(f"{connection['cloud']}/_localcloud/faults", timeout=10)
        return connection
    raise InvalidRequestError("no local cloud is running; start one with `make local`")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aigc upload", description=__doc__)
    parser.add_argument("file", nargs="?", type=options.existing_file)
    parser.add_argument("key", nargs="?", help="where in the inbox: anime/cat.jpg, say")
    parser.add_argument("--prompt", help="instead of the rule's")
    parser.add_argument("--results", action="store_true", help="list the results bucket")
    return parser


def _upload(connection: dict[str, Any], file: Path, key: str, prompt: str | None) -> None:
    bucket = connection["buckets"]["inbox"]
    metadata = {"x-cos-meta-aigc-prompt": quote(prompt)} if prompt else {}
    cos_client(connection).put_object(
        Bucket=bucket, Key=key, Body=file.read_bytes(), Metadata=metadata
    )
    print(f"uploaded {file} as cos://{bucket}/{key}")


def _list_results(connection: dict[str, Any]) -> None:
    """Print each result with a URL that a browser opens without a proxy."""
    bucket = connection["buckets"]["results"]
    domain = f"{connection['cloud'].removeprefix('http://')}/_localcloud/cos/{bucket}"
    signer = CosS3Client(
        CosConfig(
            Region=connection["region"],
            SecretId=connection["secret_id"],
            SecretKey=connection["secret_key"],
            Scheme="http",
            Domain=domain,
        )
    )
    for found in cos_client(connection).list_objects(Bucket=bucket).get("Contents", []):
        url = signer.get_presigned_url(bucket, found["Key"], "GET", SIGNED_S)
        print(f"{found['Key']}  {found['Size']} bytes\n  {url}")
