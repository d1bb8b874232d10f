// Saves an image of a bucket under its name; a link alone would only open it.
import { useState } from "preact/hooks";
import { useMessages } from "../../i18n";

/** How long the browser may read what is saved. */
const KEPT_MS = 60_000;

export function DownloadButton({ url, name }: { url: string; name: string }) {
  const { parts: t } = useMessages();
  const [isBusy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      const response = await fetch(url, { referrerPolicy: "no-referrer" });
      if (!response.ok) throw new Error(String(response.status));
      const local = URL.createObjectURL(await response.blob());
      click({ href: local, download: name });
      window.setTimeout(() => URL.revokeObjectURL(local), KEPT_MS);
    } catch {
      // The bucket allows no reading by scripts: the browser opens the image.
      click({ href: url, target: "_blank", rel: "noreferrer" });
    }
    setBusy(false);
  };
  return (
    <button type="button" disabled={isBusy} onClick={() => void save()}>
      {t.download}
    </button>
  );
}

function click(properties: Partial<HTMLAnchorElement>): void {
  Object.assign(document.createElement("a"), properties).click();
}
