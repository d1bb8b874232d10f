"""Makes an image with the client that openapi-python-client generated; prints what it learned.

It is run beside that client, which is the package `client`.
"""

import json
import os
import time

from client import AuthenticatedClient
from client.api.jobs_and_usage import jobs
from client.api.requests import result_vod_image, status_vod_image
from client.api.submit import submit_mps_image, submit_vod_image
from client.models import MpsImageTask, Refusal, Result, Submitted, VodImageInput, VodImageTask

client = AuthenticatedClient(base_url=os.environ["GATEWAY"], token=os.environ["API_KEY"])

task = VodImageTask(model_name="GG", model_version="3.0", prompt="a lighthouse in the fog")
submitted = submit_vod_image.sync(client=client, body=task, idempotency_key="generated-1")
assert isinstance(submitted, Submitted), submitted

while (status := status_vod_image.sync(submitted.request_id, client=client)) is not None:
    if status.status == "COMPLETED":
        break
    time.sleep(0.2)

result = result_vod_image.sync(submitted.request_id, client=client)
assert isinstance(result, Result), result

# What needs more of the schemas: an input, an object for ext_info, a wait, a refusal.
task.file_infos = [VodImageInput(base64=os.environ["PHOTO"])]
task.ext_info = '{"AdditionalParameters": {"size": "1024x1024"}}'
waited = submit_vod_image.sync(client=client, body=task, prefer="wait=8")
of_mps = submit_mps_image.sync(client=client, body=MpsImageTask(prompt="a boat"))
refused = submit_mps_image.sync(client=client, body=MpsImageTask(prompt=""))
assert isinstance(refused, Refusal), refused
listed = jobs.sync(client=client, limit=2)

print(
    json.dumps(
        {
            "url": result.images[0].url,
            "waited": type(waited).__name__,
            "of_mps": type(of_mps).__name__,
            "refused": refused.field,
            "listed": len(listed.jobs),
        }
    )
)
