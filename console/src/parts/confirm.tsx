// A dialog that asks before something is spent or ended.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ErrorNote } from "./notes";

export interface ConfirmProps {
  title: string;
  yes: string;
  no: string;
  children: ComponentChildren;
  /** The action; the dialog stays open with the error if it fails. */
  act: () => Promise<void>;
  close: () => void;
}

export function Confirm({ title, yes, no, children, act, close }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const titleId = useId();
  useEffect(() => dialog.current?.showModal(), []);
  const confirm = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await act();
      dialog.current?.close(); // gives the focus back
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} class="card dialog" aria-labelledby={titleId} onClose={close}>
      <h2 id={titleId}>{title}</h2>
      <div class="dialog-text">{children}</div>
      <ErrorNote error={error} />
      <div class="dialog-actions">
        <button type="button" onClick={() => dialog.current?.close()}>
          {no}
        </button>
        <button type="button" class="primary" disabled={isBusy} onClick={() => void confirm()}>
          {yes}
        </button>
      </div>
    </dialog>
  );
}
