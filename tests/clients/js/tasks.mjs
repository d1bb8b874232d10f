// Creates a task with one of the vendor's SDKs, waits for its end and prints the last answer.
// Arguments: vod or mps, and how the local cloud is reached: endpoint or proxy.
import { setTimeout } from "node:timers/promises";

const [service, way] = process.argv.slice(2);
const { cloud, secret_id, secret_key, region, sub_app_id } = JSON.parse(process.env.CONNECTION);
const sdk = (await import(`tencentcloud-sdk-nodejs-${service}`)).default[service];
const { Client } = Object.values(sdk).at(-1);

const httpProfile =
  way === "proxy"
    ? { protocol: "http://", proxy: cloud }
    : { protocol: "http://", endpoint: cloud.replace("http://", "") };
const client = new Client({
  credential: { secretId: secret_id, secretKey: process.env.SIGN_WITH ?? secret_key },
  region,
  profile: { httpProfile },
});

const prompt = `a lighthouse, with ${service} by ${way}`;
const calls = {
  vod: {
    create: () =>
      client.CreateAigcImageTask({
        SubAppId: sub_app_id,
        ModelName: "GG",
        ModelVersion: "3.0",
        Prompt: prompt,
        SessionId: `node-${way}`,
      }),
    ask: (TaskId) => client.DescribeTaskDetail({ SubAppId: sub_app_id, TaskId }),
    hasEnded: ({ Status }) => Status === "FINISH",
  },
  mps: {
    create: () => client.CreateAigcImageTask({ ModelName: "Hunyuan", Prompt: prompt }),
    ask: (TaskId) => client.DescribeAigcImageTask({ TaskId }),
    hasEnded: ({ Status }) => Status === "DONE",
  },
}[service];

let answer;
try {
  const { TaskId } = await calls.create();
  do {
    await setTimeout(200);
    answer = await calls.ask(TaskId);
  } while (!calls.hasEnded(answer));
} catch (error) {
  answer = { error: { code: error.code, requestId: error.requestId, message: error.message } };
}
console.log(JSON.stringify(answer));
