// Saves an image of a bucket under its name; a link alone would only open it.
import { useState } from "preact/hooks";
import { useMessages } from "../../i18n";

export function DownloadButton({ url, name }: { url: string; name: string }) {
  const { parts: t } = useMessages();
  const [isBusy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      const response = await fetch(url, { referrerPolicy: "no-referrer" });
      if (!response.ok) throw new Error(String(response.status));
      const local = URL.createObjectURL(await response.blob());
      click(local, name);
      URL.revokeObjectURL(local);
    } catch {
      click(url, name); // the bucket allows no reading by scripts: the browser opens the image
    }
    setBusy(false);
  };
  return (
    <button type="button" disabled={isBusy} onClick={() => void save()}>
      {t.download}
    </button>
  );
}

function click(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.target = "_blank";
  link.rel = "noreferrer";
  link.click();
}
