import { useState } from "preact/hooks";
import { useMessages } from "../i18n";

const SHOWN_MS = 2000;

/** A button that copies a text and confirms it. A page needs https for the clipboard. */
export function CopyButton({ text, label }: { text: string; label?: string }) {
  const { parts: t } = useMessages();
  const [isDone, setDone] = useState(false);
  if (!("clipboard" in navigator)) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    window.setTimeout(() => setDone(false), SHOWN_MS);
  };
  return (
    <button type="button" class="quiet" onClick={() => void copy()}>
      <span aria-live="polite">{isDone ? t.copied : (label ?? t.copy)}</span>
    </button>
  );
}
