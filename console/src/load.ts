// Loading data for a view: again when the connection or the key is back, and at intervals.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";
import { isOnline } from "./connection";
import { session } from "./session";
import { useStore } from "./store";

const AFTER_ERROR_MS = 5000;

export interface Loaded<T> {
  /** The last data; it stays while newer data is loaded, and when that fails. */
  data: T | undefined;
  error: ApiError | undefined;
  isLoading: boolean;
  /** When the data was loaded, in milliseconds; 0: not yet. */
  loadedAt: number;
  reload: () => void;
}

interface State<T> {
  key: string;
  data?: T;
  error?: ApiError;
  loadedAt: number;
}

/**
 * Load data, and load it again when `key` changes.
 *
 * @param every milliseconds between two loads, or a function of the data that returns them;
 *   undefined or 0: the data is loaded once. Nothing is loaded while the page is hidden.
 */
export function useLoad<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  every?: number | ((data: T) => number | undefined),
): Loaded<T> {
  const [state, setState] = useState<State<T>>({ key, loadedAt: 0 });
  const [isLoading, setLoading] = useState(true);
  const [round, setRound] = useState(0);
  const online = useStore(isOnline);
  const current = useStore(session);
  const latest = useRef({ load, every });
  latest.current = { load, every };
  const isReady = online && current.state === "present";

  useEffect(() => {
    if (!isReady) return;
    const abort = new AbortController();
    let timer: number | undefined;
    const again = (ms: number | undefined) => {
      if (ms) timer = window.setTimeout(() => whenVisible(() => setRound((n) => n + 1)), ms);
    };
    setLoading(true);
    latest.current
      .load(abort.signal)
      .then((data) => {
        if (abort.signal.aborted) return;
        setState({ key, data, loadedAt: Date.now() });
        const wait = latest.current.every;
        again(typeof wait === "function" ? wait(data) : wait);
      })
      .catch((error: unknown) => {
        if (abort.signal.aborted) return;
        const shown = error instanceof ApiError ? error : new ApiError(String(error), -1, "");
        setState((last) => ({ ...(last.key === key ? last : { key, loadedAt: 0 }), error: shown }));
        if (latest.current.every && isPassing(shown)) again(AFTER_ERROR_MS);
      })
      .finally(() => {
        if (!abort.signal.aborted) setLoading(false);
      });
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [key, round, isReady]);

  const isCurrent = state.key === key;
  return {
    data: isCurrent ? state.data : undefined,
    error: isCurrent ? state.error : undefined,
    isLoading,
    loadedAt: isCurrent ? state.loadedAt : 0,
    reload: useCallback(() => {
      setState(({ error: _, ...rest }) => rest);
      setRound((n) => n + 1);
    }, []),
  };
}

/** Whether the error is not caused by the call: the API is busy, or its cloud does not answer. */
const isPassing = ({ status }: ApiError): boolean => status === 429 || status >= 500;

function whenVisible(act: () => void): void {
  if (!document.hidden) {
    act();
    return;
  }
  const watch = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", watch);
    act();
  };
  document.addEventListener("visibilitychange", watch);
}
