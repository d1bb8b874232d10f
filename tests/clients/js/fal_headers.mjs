// Prints the names of all headers that the client sends when every option is used.
import { createFalClient } from "@fal-ai/client";

const names = new Set();
const fal = createFalClient({
  credentials: "no-key",
  fetch: async (url, { headers }) => {
    for (const name of Object.keys(headers)) names.add(name.toLowerCase());
    return Response.json({ request_id: "1", status: "COMPLETED", upload_url: url, file_url: url });
  },
});
const endpoint = "tencent-vod/v1/aigc-image";
const storageSettings = { expiresIn: "1h", initialAcl: { default: "forbid" } };
const options = { input: {}, priority: "low", hint: "here", startTimeout: 9, storageSettings };
const headers = { "Idempotency-Key": "1" };
await fal.subscribe(endpoint, { ...options, headers });
await fal.subscribe(endpoint, { ...options, mode: "streaming" }).catch(() => {});
await fal.run(endpoint, options);
await fal.queue.cancel(endpoint, { requestId: "1" });
await fal.storage.upload(new Blob(["x"], { type: "image/png" }), { lifecycle: storageSettings });
console.log(JSON.stringify([...names]));
