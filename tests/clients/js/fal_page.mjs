// Acts as a web page, which has no key: every request goes to the proxy of docs/fal.md.
import { readFile } from "node:fs/promises";
import { createFalClient } from "@fal-ai/client";

const fal = createFalClient({ proxyUrl: { url: `${process.env.PROXY}/api/fal`, when: "always" } });
const photo = new Blob([await readFile("cat.jpg")], { type: "image/jpeg" });
const { data, requestId } = await fal.subscribe("tencent-vod/v1/aigc-image", {
  input: {
    model_name: "GG",
    model_version: "3.0",
    prompt: "the same cat, painted in oil",
    file_infos: [{ url: photo }],
  },
  mode: process.argv[2],
});
console.log(JSON.stringify({ data, requestId }));
