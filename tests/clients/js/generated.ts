// Makes an image with the types that openapi-typescript generated; prints what it learned.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string> };
const { GATEWAY, API_KEY, PHOTO } = process.env;
const client = createClient<paths>({
  baseUrl: GATEWAY,
  headers: { Authorization: `Bearer ${API_KEY}` },
});
const path = "/tencent-vod/v1/aigc-image";
const minimal = { model_name: "GG", model_version: "3.0", prompt: "a lighthouse in the fog" };

const submitted = await client.POST(path, { body: minimal });
if (!submitted.data || !("status_url" in submitted.data)) throw new Error(submitted.error?.toString());
const id = submitted.data.request_id;

let status: string | undefined;
do {
  await new Promise((resolve) => setTimeout(resolve, 200));
  const asked = await client.GET(`${path}/requests/{id}/status`, { params: { path: { id } } });
  status = asked.data?.status;
} while (status !== "COMPLETED");
const result = await client.GET(`${path}/requests/{id}`, { params: { path: { id } } });

// What needs more of the schemas: an input, an object for ext_info, a header, a refusal.
const rich: components["schemas"]["VodImageTask"] = {
  ...minimal,
  file_infos: [{ base64: PHOTO }],
  ext_info: { AdditionalParameters: { size: "1024x1024" } },
  result: { prefix: "typescript/" },
};
const waited = await client.POST(path, { body: rich, params: { header: { Prefer: "wait=8" } } });
const refused = await client.POST("/tencent-mps/v1/aigc-image", { body: { prompt: "" } });
const listed = await client.GET("/v1/jobs", { params: { query: { limit: 2 } } });

console.log(
  JSON.stringify({
    url: result.data?.images[0]?.url,
    waited: waited.response.status,
    refused: refused.error && "field" in refused.error ? refused.error.field : null,
    listed: listed.data?.jobs.length,
  }),
);
