import { useState } from "preact/hooks";
import { useMessages } from "../i18n";

/** Save an image of a bucket as a file: browsers ignore `download` in links to another origin. */
export async function download(url: string, name: string): Promise<void> {
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

export function DownloadButton({ url, name }: { url: string; name: string }) {
  const { parts: t } = useMessages();
  const [isBusy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      await download(url, name);
    } catch {
      window.open(url, "_blank", "noopener"); // the bucket has no CORS rule, or the link is old
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" disabled={isBusy} onClick={() => void save()}>
      {t.download}
    </button>
  );
}
