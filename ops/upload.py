"""`aigc upload`: put a picture into the local cloud's inbox, with the official COS SDK."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from qcloud_cos import CosConfig, CosS3Client

from ops import options
from ops.connection import running_cloud

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
