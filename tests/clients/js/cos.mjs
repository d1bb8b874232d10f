// Puts, reads, lists, copies and deletes objects with the vendor's COS SDK, and prints what it saw.
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import COS from "cos-nodejs-sdk-v5";

const { cloud, secret_id, secret_key, region, buckets } = JSON.parse(process.env.CONNECTION);
const cos = new COS({
  SecretId: secret_id,
  SecretKey: secret_key,
  Protocol: "http:",
  Proxy: cloud,
  ChunkSize: 1024 * 1024,
  SliceSize: 1024 * 1024,
});
const Bucket = buckets.results;
const object = (Key) => ({ Bucket, Region: region, Key });
const md5 = (data) => createHash("md5").update(data).digest("hex");

const text = "a boat, 一艘船";
const large = Buffer.alloc(3 * 1024 * 1024 + 17, "tide ");
await writeFile("large.bin", large);

const put = await cos.putObject({ ...object("node/船 1.txt"), Body: text, Headers: { "x-cos-meta-a": "b" } });
const got = await cos.getObject(object("node/船 1.txt"));
const head = await cos.headObject(object("node/船 1.txt"));
const range = await cos.getObject({ ...object("node/船 1.txt"), Range: "bytes=2-5" });
await cos.uploadFile({ ...object("node/large.bin"), FilePath: "large.bin" });
const back = await cos.getObject(object("node/large.bin"));
await cos.putObjectCopy({ ...object("node/copy.txt"), CopySource: `${Bucket}.cos.${region}.myqcloud.com/${encodeURIComponent("node/船 1.txt")}` });
const listed = await cos.getBucket({ Bucket, Region: region, Prefix: "node/" });
const unfinished = await cos.multipartList({ Bucket, Region: region, Prefix: "node/" });
const signed = cos.getObjectUrl({ ...object("node/copy.txt"), Sign: true, Protocol: "http:", Domain: `${cloud.replace("http://", "")}/_localcloud/cos/${Bucket}` });
await cos.deleteObject(object("node/copy.txt"));
const gone = await cos.headObject(object("node/copy.txt")).catch((error) => error.statusCode);
const refused = await cos
  .request({ ...object("node/large.bin"), Method: "PUT", Action: "retention", Body: "<X/>" })
  .catch((error) => error.statusCode);
await cos.putObject({ Bucket: buckets.inbox, Region: region, Key: "anime/node.jpg", Body: Buffer.from(process.env.PHOTO, "base64") });

console.log(
  JSON.stringify({
    etag: put.ETag.replaceAll('"', ""),
    md5: md5(text),
    text: got.Body.toString(),
    metadata: head.headers["x-cos-meta-a"],
    range: range.Body.toString(),
    isWhole: md5(back.Body) === md5(large),
    keys: listed.Contents.map(({ Key }) => Key),
    unfinished: unfinished.Upload,
    signed,
    gone,
    refused,
  }),
);
