// The images that the API lists, a page at a time.
import type { paths } from "../../../generated/openapi";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, type Answer, type Schemas } from "../../api";
import { isOnline } from "../../connection";
import { session } from "../../session";
import { useStore } from "../../store";

export type ListedImage = Schemas["ListedImage"];
type Page = Answer<"get", "/v1/images">;
type Query = NonNullable<paths["/v1/images"]["get"]["parameters"]["query"]>;

const PAGE = 40;
/** Links work for an hour; a page whose images fail is loaded again after this time. */
const FRESH_MS = 50 * 60 * 1000;

export const FILTERS = ["q", "folder", "kind", "model", "source", "since", "until"] as const;
export type Filters = Partial<Record<(typeof FILTERS)[number], string>>;

export function filtersOf(params: URLSearchParams): Filters {
  const filled = FILTERS.map((name) => [name, params.get(name) ?? ""] as const);
  return Object.fromEntries(filled.filter(([, value]) => value));
}

/** The name of an image in the address: its job and its number. */
export const idOf = (image: ListedImage): string => `${image.request_id}/${image.number}`;

interface Part {
  cursor: string | undefined;
  images: ListedImage[];
  loadedAt: number;
}

interface State {
  key: string;
  parts: Part[];
  /** Cursor of the next page; null: there is none. */
  cursor: string | null | undefined;
  error?: ApiError;
}

const empty = (key: string): State => ({ key, parts: [], cursor: undefined });

export interface ImageList {
  images: ListedImage[];
  isLoading: boolean;
  isComplete: boolean;
  /** Whether a call found no match among many images, and an older part is searched. */
  isSearching: boolean;
  error: ApiError | undefined;
  more: () => void;
  /** Load the page of an image again if its links may have expired. */
  renew: (image: ListedImage) => void;
}

/** Load images that match; the first page at once, others when `more` is called. */
export function useImages(filters: Filters): ImageList {
  const key = JSON.stringify(filters);
  const [state, setState] = useState<State>(() => empty(key));
  const [isLoading, setLoading] = useState(false);
  const abort = useRef<AbortController>(new AbortController());
  const isBusy = useRef(false);
  const online = useStore(isOnline);
  const isKnown = useStore(session).state === "present";
  const current = state.key === key ? state : empty(key);
  const latest = useRef(current);
  latest.current = current;

  const load = useCallback(
    async (cursor: string | undefined): Promise<Page | undefined> => {
      const { signal } = abort.current;
      try {
        const query = { ...(JSON.parse(key) as Filters), limit: PAGE, ...(cursor && { cursor }) };
        const page = await get("/v1/images", { query: query as Query, signal });
        return signal.aborted ? undefined : page;
      } catch (error) {
        if (signal.aborted) return undefined;
        const shown = error instanceof ApiError ? error : new ApiError(String(error), -1, "");
        setState({ ...latest.current, error: shown });
        return undefined;
      }
    },
    [key],
  );

  const more = useCallback(() => {
    const { cursor } = latest.current;
    if (isBusy.current || cursor === null) return;
    isBusy.current = true;
    setLoading(true);
    const { signal } = abort.current;
    void load(cursor).then((page) => {
      if (signal.aborted) return;
      isBusy.current = false;
      setLoading(false);
      if (!page) return;
      const part = { cursor, images: page.images, loadedAt: Date.now() };
      const { parts } = latest.current;
      setState({ key, parts: [...parts, part], cursor: page.cursor });
    });
  }, [key, load]);
  useEffect(() => {
    if (!online || !isKnown) return;
    abort.current = new AbortController();
    isBusy.current = false;
    setLoading(false); // a page that was on its way has been aborted
    if (latest.current.parts.length === 0 || latest.current.error) more();
    return () => abort.current.abort();
  }, [key, online, isKnown, more]);

  const renew = useCallback(
    (image: ListedImage) => {
      const index = latest.current.parts.findIndex((part) => part.images.includes(image));
      const part = latest.current.parts[index];
      if (!part || Date.now() - part.loadedAt < FRESH_MS) return;
      part.loadedAt = Date.now();
      void load(part.cursor).then((page) => {
        if (!page) return;
        const renewed = { ...part, images: page.images };
        const parts = latest.current.parts.map((old, at) => (at === index ? renewed : old));
        setState({ ...latest.current, parts });
      });
    },
    [load],
  );

  const images = current.parts.flatMap((part) => part.images);
  return {
    images,
    isLoading,
    isComplete: current.cursor === null,
    isSearching: isLoading && current.parts.at(-1)?.images.length === 0,
    error: current.error,
    more,
    renew,
  };
}
