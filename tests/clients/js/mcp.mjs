// Uses the tools as an agent does, over HTTP or over stdio, and prints what it saw.
// Arguments: http and a URL, or stdio and a command with its arguments.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [way, target, ...args] = process.argv.slice(2);
const prompt = process.env.PROMPT;
const transport = () =>
  way === "http"
    ? new StreamableHTTPClientTransport(new URL(target), {
        requestInit: { headers: { Authorization: `Bearer ${process.env.API_KEY}` } },
      })
    : new StdioClientTransport({
        command: target,
        args,
        cwd: process.env.ROOT,
        env: { ...process.env, AIGC_API_KEY: process.env.API_KEY },
      });

let client;
let broken = 0;

async function connect() {
  client = new Client({ name: "test", version: "1" });
  await client.connect(transport());
}

// As an agent does: ask again, on a new connection, for what had no answer.
async function ask(name, args = {}) {
  for (;;) {
    try {
      if (!client) await connect();
      return await client.callTool({ name, arguments: args });
    } catch (error) {
      if (!/fetch failed|terminated|other side closed/.test(error.message)) throw error;
      broken += 1;
      await client.close().catch(() => {});
      client = undefined;
    }
  }
}

async function make(args) {
  const { request_id } = (await ask("generate_image", args)).structuredContent;
  for (;;) {
    const seen = await ask("wait", { request_id });
    if (seen.isError || seen.structuredContent.state === "succeeded") return seen;
  }
}

const images = [];
for (let number = 0; number < Number(process.env.IMAGES); number += 1) {
  const seen = await make({ model: "gg-3.0", prompt: `${prompt} ${number}` });
  images.push(seen.structuredContent.images[0].url);
}
const refused = await ask("generate_image", { model: "gg-3.0", prompt, aspect_ratio: "7:3" });
let tools;
while (!tools) {
  try {
    if (!client) await connect();
    tools = (await client.listTools()).tools;
  } catch {
    client = undefined;
  }
}
const server = client.getServerVersion().name;
await client.close();
console.log(
  JSON.stringify({
    server,
    tools: tools.map(({ name }) => name),
    images,
    refused: refused.isError && refused.content[0].text,
    broken,
  }),
);
