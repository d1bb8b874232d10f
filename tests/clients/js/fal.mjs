// Makes the request that the argument names, with the client of docs/fal.md, and prints the result.
import { readFile } from "node:fs/promises";
import { fal } from "./gateway.mjs";

const [what, ...more] = process.argv.slice(2);
const endpoint = "tencent-vod/v1/aigc-image";
const input = { model_name: "GG", model_version: "3.0", prompt: "a lighthouse in the fog" };
const started = Date.now();
const updates = [];
const onQueueUpdate = ({ status, logs }) =>
  updates.push({ status, logs: logs?.map(({ message }) => message) });

const things = {
  poll: () => fal.subscribe(endpoint, { input, pollInterval: 200, logs: true, onQueueUpdate }),
  stream: () => fal.subscribe(endpoint, { input, mode: "streaming", logs: true, onQueueUpdate }),
  run: () => fal.run(endpoint, { input }),
  upload: async () => {
    const photo = new Blob([await readFile("cat.jpg")], { type: more[0] });
    const data = await fal.storage.upload(photo, { lifecycle: { expiresIn: "1d" } });
    return { data };
  },
  cancel: async () => {
    const { requestId } = await fal.subscribe(endpoint, { input, pollInterval: 200 });
    await fal.queue.cancel(endpoint, { requestId }); // too late: this throws
    return { data: null, requestId };
  },
  storage: () => fal.run(endpoint, { input, storageSettings: { expiresIn: "1h" } }),
  "stream of the task": () => fal.stream(endpoint, { input }).then((stream) => stream.done()),
  realtime: () =>
    new Promise((resolve, reject) => {
      fal.realtime.connect(endpoint, { onResult: resolve, onError: reject }).send(input);
      setTimeout(() => reject(new Error("no answer")), 2000);
    }),
};

let outcome;
try {
  const { data, requestId } = await things[what]();
  outcome = { data, requestId };
} catch ({ name, status, body, requestId, message }) {
  outcome = { error: { name, status, body, requestId, message } };
}
const milliseconds = Date.now() - started;
console.log(JSON.stringify({ ...outcome, updates, milliseconds }));
process.exit(); // an open socket would keep the process
