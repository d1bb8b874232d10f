"""`aigc upload`: put an image into the local cloud's inbox, with the official COS SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from qcloud_cos import CosConfig, CosS3Client

from aigc_cli import options
from aigc_cli.connection import running_cloud
from aigc_cli.output import JsonOption, print_json

SIGNED_S = 3600

app = typer.Typer(add_completion=False)


@app.command()
def main(
    file: Annotated[
        Path | None, typer.Argument(parser=options.existing_file, help="The image to upload.")
    ] = None,
    key: Annotated[
        str | None, typer.Argument(help="Its key in the inbox, for instance anime/cat.jpg.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Use this instead of the rule's prompt.")
    ] = None,
    results: Annotated[bool, typer.Option("--results", help="List the results bucket.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put an image into the local cloud's inbox, or list the results, with the COS SDK.

    Example: aigc upload aigc_cli/samples/cat.jpg anime/cat.jpg
    """
    if file is None and not results:
        raise typer.BadParameter("nothing to do; needed: a file, --results, or both")
    connection = running_cloud()
    if file is not None:
        _upload(connection, file, key or file.name, prompt)
    uploaded = f"cos://{connection['buckets']['inbox']}/{key or file.name}" if file else None
    listed = _results(connection) if results else []
    if as_json:
        print_json({"uploaded": uploaded, "results": listed})
        return
    if uploaded:
        print(f"uploaded {file} as {uploaded}")
    for result in listed:
        print(f"{result['key']}  {result['size']} bytes\n  {result['url']}")


def cos_client(connection: dict[str, Any]) -> CosS3Client:
    """Return the official client, with the local cloud as its HTTP proxy."""
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


def _upload(connection: dict[str, Any], file: Path, key: str, prompt: str | None) -> None:
    bucket = connection["buckets"]["inbox"]
    metadata = {"x-cos-meta-aigc-prompt": quote(prompt)} if prompt else {}
    cos_client(connection).put_object(
        Bucket=bucket, Key=key, Body=file.read_bytes(), Metadata=metadata
    )


def _results(connection: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results, each with a URL that a browser can open without a proxy."""
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
    return [
        {
            "key": listed["Key"],
            "size": int(listed["Size"]),
            "url": signer.get_presigned_url(bucket, listed["Key"], "GET", SIGNED_S),
        }
        for listed in cos_client(connection).list_objects(Bucket=bucket).get("Contents", [])
    ]
