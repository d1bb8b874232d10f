import { useState } from "preact/hooks";
import { useMessages } from "../i18n";
import { renewedLink } from "./links";

/** Save an image of a bucket as a file: browsers ignore `download` in links to another origin. */
async function download(url: string, name: string): Promise<void> {
  // The page has the image in its cache, but as the answer to a request without an origin.
  const response = await fetch(url, { cache: "no-store", referrerPolicy: "no-referrer" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const local = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = local;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(local), 60_000);
}

export interface DownloadButtonProps {
  /** Id of the job that made the image. */
  job: string;
  image: { url: string; file_name: string };
}

export function DownloadButton({ job, image }: DownloadButtonProps) {
  const { parts: t } = useMessages();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const save = async () => {
    setBusy(true);
    setError("");
    try {
      await download(image.url, image.file_name).catch(() => downloadRenewed(job, image.file_name));
    } catch (problem) {
      setError((problem as Error).message || t.error.offline);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" disabled={isBusy} onClick={() => void save()}>
        {t.download}
      </button>
      {error && (
        <span class="field-error" role="alert">
          {t.downloadFailed} {error}
        </span>
      )}
    </>
  );
}

/** Save an image by a new link; without a CORS rule of the bucket it is opened instead. */
async function downloadRenewed(job: string, name: string): Promise<void> {
  const url = await renewedLink(job, name);
  try {
    await download(url, name);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the bucket has answered
    window.open(url, "_blank", "noopener");
  }
}
