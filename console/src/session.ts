// The API key: kept in the browser's session only, and gone when the tab is closed.
import { Store } from "./store";

const NAME = "aigc.key";

export type Session =
  | { state: "absent" }
  | { state: "present"; key: string }
  /** The API refused the key; the views stay as they are until another key is entered. */
  | { state: "refused" };

const kept = sessionStorage.getItem(NAME);
export const session = new Store<Session>(
  kept ? { state: "present", key: kept } : { state: "absent" },
);

export function enterKey(key: string): void {
  sessionStorage.setItem(NAME, key);
  session.set({ state: "present", key });
}

export function forgetKey(): void {
  sessionStorage.removeItem(NAME);
  session.set({ state: "absent" });
}

/** Note that the API refused a key, unless it was forgotten or another one was entered meanwhile. */
export function refuseKey(key: string): void {
  if (session.value.state === "absent") return;
  if (session.value.state === "present" && session.value.key !== key) return;
  sessionStorage.removeItem(NAME);
  session.set({ state: "refused" });
}
