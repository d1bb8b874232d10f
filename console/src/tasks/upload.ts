// Input images: they go straight to the bucket, by the presigned link of `POST /v1/uploads`.
import { schemas } from "aigc:schemas";
import { ApiError, post, type Schemas } from "../api";

type Request = Schemas["UploadRequest"];

const { content_type, size } = schemas.UploadRequest.properties ?? {};
/** The formats that an input may have. */
export const FORMATS = content_type?.enum ?? [];
export const LARGEST = size?.maximum ?? 0;

/** `type` of the errors of `putFile`: the bucket refused the file, or the connection broke. */
export const BUCKET_REFUSED = "bucket_refused";
export const UPLOAD_LOST = "upload_lost";

/** Upload a file, and return how a task names it. */
export async function uploadInput(
  file: File,
  onProgress: (part: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const link = await post("/v1/uploads", {
    body: {
      file_name: safeName(file.name),
      content_type: file.type as Request["content_type"],
      size: file.size,
    },
    signal,
  });
  await putFile(link.upload_url, file, link.headers, onProgress, signal);
  return link.url;
}

/** Remove the characters that the API does not allow in a name; the name has no effect here. */
function safeName(name: string): string {
  const safe = name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+/, "");
  return safe.slice(-100) || "image";
}

/** PUT a file to a presigned link; `fetch` reports no progress of uploads. Throws ApiError. */
export function putFile(
  url: string,
  file: Blob,
  headers: Record<string, string>,
  onProgress: (part: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) {
      // The browser itself sends the length.
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, event.total));
    request.onload = () => {
      if (request.status < 300) resolve();
      else reject(new ApiError(bucketError(request), request.status, BUCKET_REFUSED));
    };
    request.onerror = () => reject(new ApiError("", 0, UPLOAD_LOST));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

function bucketError(request: XMLHttpRequest): string {
  const message = /<Message>([^<]*)</.exec(request.responseText)?.[1];
  return message ?? `HTTP ${request.status}`;
}
