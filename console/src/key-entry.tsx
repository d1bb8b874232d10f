// The first page of a visitor: the API key is entered and tried.
import { useRef, useState } from "preact/hooks";
import { ApiError, tryKey } from "./api";
import { useMessages } from "./i18n";
import { ErrorNote } from "./parts/notes";
import { enterKey } from "./session";

/** Ask the API for something small with a key, before the key is kept. */
async function isAccepted(key: string): Promise<boolean> {
  if (!/^[!-~]+$/.test(key)) return false; // no header can hold it
  try {
    await tryKey(key);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return false;
    throw error;
  }
}

export function KeyEntry({ wasRefused }: { wasRefused: boolean }) {
  const { shell } = useMessages();
  const t = shell.key;
  const field = useRef<HTMLInputElement>(null);
  const [isChecking, setChecking] = useState(false);
  const [problem, setProblem] = useState<unknown>();
  const [isWrong, setWrong] = useState(false);

  const submit = async (event: Event) => {
    event.preventDefault();
    const key = field.current?.value.trim() ?? "";
    if (!key) return;
    setChecking(true);
    setProblem(undefined);
    setWrong(false);
    try {
      if (await isAccepted(key)) enterKey(key);
      else setWrong(true);
    } catch (error) {
      setProblem(error);
    } finally {
      setChecking(false);
      field.current?.focus();
    }
  };

  return (
    <main class="key-entry" id="content" tabIndex={-1}>
      <form class="card" onSubmit={(event) => void submit(event)}>
        <h1>{t.title}</h1>
        {wasRefused ? (
          <p class="note note-warning" role="alert">
            {t.refused}
          </p>
        ) : (
          <p class="muted">{t.about}</p>
        )}
        <label class="field">
          <span>{t.label}</span>
          <input
            ref={field}
            type="password"
            name="api-key"
            autocomplete="off"
            spellcheck={false}
            autofocus
            required
            aria-invalid={isWrong}
            aria-describedby={isWrong ? "key-wrong" : undefined}
          />
        </label>
        {isWrong && (
          <p id="key-wrong" class="field-error" role="alert">
            {t.wrong}
          </p>
        )}
        <ErrorNote error={problem} />
        <button type="submit" class="primary" disabled={isChecking}>
          {isChecking ? t.checking : t.submit}
        </button>
        <p class="muted small">
          {t.howto} <code>aigc keys new &lt;name&gt;</code>
        </p>
      </form>
    </main>
  );
}
