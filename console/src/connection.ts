// Whether the API can be reached. While it cannot, it is asked again until it answers.
import { Store } from "./store";

const RETRY_MS = 3000;

export const isOnline = new Store(navigator.onLine);

let timer: number | undefined;

/** Note that a request found no answer. */
export function noteLost(): void {
  isOnline.set(false);
  timer ??= window.setTimeout(ask, RETRY_MS);
}

/** Note that a request was answered, also if the answer is an error. */
export function noteAnswered(): void {
  isOnline.set(true);
}

export async function ask(): Promise<void> {
  window.clearTimeout(timer);
  timer = undefined;
  try {
    await fetch(new URL("health", document.baseURI), { cache: "no-store" });
    noteAnswered();
  } catch {
    noteLost();
  }
}

window.addEventListener("offline", noteLost);
window.addEventListener("online", () => void ask());
if (!isOnline.value) noteLost();
