// Sends files: gets a link from the API, sends a PUT to the bucket, then polls the outcome.
import { md5 } from "@noble/hashes/legacy.js";
import { ApiError, get, post, type Schemas } from "../../api";
import { hasEnded } from "../../parts/values";
import { putFile } from "../../tasks/upload";

export type Step =
  | "staged"
  | "queued"
  | "linking"
  | "sending"
  | "sent"
  | "working"
  | "done"
  | "failed";
type Detail = Schemas["JobDetail"];

export interface Sent {
  id: number;
  file: File;
  step: Step;
  /** How much of the file is sent, 0 to 1. */
  progress: number;
  /** The error: an ApiError, or the name of a message of the view. */
  error?: unknown;
  account?: Schemas["UploadAccount"];
  jobs: Detail[];
}

export interface Place {
  rule: string;
  folder: string;
  metadata: Record<string, string>;
}

export const TYPES = ["image/jpeg", "image/png", "image/webp"] as const;
type ContentType = (typeof TYPES)[number];

export function isImage(file: File): boolean {
  return TYPES.includes(file.type as ContentType);
}

/** The list that has the files. */
export interface List {
  change: (id: number, changes: Partial<Sent>) => void;
  isListed: (id: number) => boolean;
}

const AT_ONCE = 3;
const FIRST_LOOK_MS = 1000;
const LONGEST_LOOK_MS = 15_000;

/** Send files, a few at a time, and poll the outcome of each while it is listed. */
export async function sendAll(files: Sent[], place: Place, list: List): Promise<void> {
  const waiting = [...files];
  for (const { id } of files) list.change(id, { step: "queued" });
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      if (list.isListed(next.id)) await send(next, place, list);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Send one file. Its outcome is polled while other files are sent. */
async function send({ id, file }: Sent, place: Place, list: List): Promise<void> {
  const change = (changes: Partial<Sent>) => list.change(id, changes);
  const fail = (error: unknown) => change({ step: "failed", error });
  try {
    change({ step: "linking" });
    const link = await linkFor(file, place);
    change({ step: "sending" });
    await putFile(link.upload_url, file, link.headers, (progress) => change({ progress }));
    change({ step: "sent", progress: 1 });
    follow(link.key, change, () => list.isListed(id)).catch(fail);
  } catch (error) {
    fail(error);
  }
}

async function linkFor(file: File, place: Place) {
  const given = Object.entries(place.metadata).filter(([, value]) => value);
  return post("/v1/rules/{rule}/uploads", {
    path: { rule: place.rule },
    body: {
      file_name: file.name,
      content_type: file.type as ContentType,
      size: file.size,
      content_md5: await digestOf(file),
      ...(place.folder && { folder: place.folder }),
      ...(given.length > 0 && { metadata: Object.fromEntries(given) }),
    },
  });
}

/** Return the MD5 of a file; the link is valid for this content only. */
async function digestOf(file: File): Promise<string> {
  const digest = md5(new Uint8Array(await file.arrayBuffer()));
  return btoa(String.fromCharCode(...digest));
}

/** Poll the outcome of an object until its jobs have ended, with growing pauses. */
async function follow(
  key: string,
  change: (changes: Partial<Sent>) => void,
  isListed: () => boolean,
): Promise<void> {
  let ids: string[] = [];
  for (let ms = FIRST_LOOK_MS; ; ms = Math.min(ms * 1.3, LONGEST_LOOK_MS)) {
    await pause(ms);
    if (!isListed()) return;
    if (ids.length === 0) {
      const account = await patiently(() => accountOf(key));
      if (!account || account.outcome === "pending") continue;
      change({ account, step: account.outcome === "none" ? "failed" : "working" });
      if (account.outcome === "none") return;
      ids = account.jobs.map((job) => job.request_id);
    }
    const jobs = await patiently(() => Promise.all(ids.map(jobOf)));
    if (!jobs) continue;
    change({ jobs });
    if (jobs.every((job) => hasEnded(job.state))) {
      change({ step: jobs.every((job) => job.state === "succeeded") ? "done" : "failed" });
      return;
    }
  }
}

async function accountOf(key: string) {
  const page = await get("/v1/uploads", { query: { object_key: key } });
  return page.uploads[0];
}

const jobOf = (id: string) => get("/v1/jobs/{id}", { path: { id } });

/** Call the API; undefined if the call should be repeated: no connection, or the API is busy. */
async function patiently<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiError && (error.isOffline || error.status >= 429)) return undefined;
    throw error;
  }
}

/** Wait; if the page is hidden, wait until it is visible again. */
async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => window.setTimeout(resolve, ms));
  while (document.hidden) {
    await new Promise((resolve) =>
      document.addEventListener("visibilitychange", resolve, { once: true }),
    );
  }
}
