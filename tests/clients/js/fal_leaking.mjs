// Shows that record_hosts.mjs sees where the client goes when nothing leads it to the gateway.
import { createFalClient } from "@fal-ai/client";

const fal = createFalClient({ credentials: "no-key", retry: { maxRetries: 0 } });
const photo = new Blob(["x"], { type: "image/png" });
const failures = await Promise.allSettled([
  fal.stream("tencent-vod/v1/aigc-image", { input: {} }).then((stream) => stream.done()),
  fal.storage.upload(photo),
]);
console.log(JSON.stringify(failures.map(({ status }) => status)));
