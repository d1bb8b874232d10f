// Links to images of the buckets. They work for an hour at most: older ones are renewed.
import { useRef } from "preact/hooks";
import { get } from "../api";

/** A link that is older may have expired. */
export const FRESH_MS = 50 * 60_000;
const BETWEEN_MS = 60_000;

/** Ask for a new link to an image of a job. Throws if the job has no such image. */
export async function renewedLink(job: string, fileName: string): Promise<string> {
  const { images } = await get("/v1/jobs/{id}", { path: { id: job } });
  const image = images.find(({ file_name }) => file_name === fileName);
  if (!image) throw new Error(fileName);
  return image.url;
}

/** Return a function for images that fail: it loads their links again, at most once a minute. */
export function useRenewal(reload: () => void): () => void {
  const renewedAt = useRef(0);
  return () => {
    if (Date.now() - renewedAt.current < BETWEEN_MS) return;
    renewedAt.current = Date.now();
    reload();
  };
}

/** Open a link in another tab, once it has been renewed. */
export async function openRenewed(renew: () => Promise<string>, url: string): Promise<void> {
  const tab = window.open("", "_blank"); // later the browser would take it for an advertisement
  const renewed = await renew().catch(() => "");
  if (!tab) return;
  tab.opener = null;
  tab.location.replace(renewed || url);
}
