// The view and its parameters, in the part of the address behind `#`: `#/gallery?kind=vod.image`.
import { Store, useStore } from "./store";

export const VIEWS = ["playground", "gallery", "jobs", "usage", "uploads"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view: View;
  params: URLSearchParams;
}

const route = new Store<Route>(read());
window.addEventListener("hashchange", () => route.set(read()));

function read(): Route {
  const [, path = "", query = ""] = /^#\/?([^?]*)\??(.*)$/.exec(location.hash) ?? [];
  const view = VIEWS.find((name) => name === path) ?? "playground";
  return { view, params: new URLSearchParams(query) };
}

export const useRoute = (): Route => useStore(route);

/** The address of a view, for links; empty parameters are left out. */
export function hrefOf(view: View, params: Record<string, string | undefined> = {}): string {
  const filled = Object.entries(params).filter(([, value]) => value) as [string, string][];
  const query = new URLSearchParams(filled).toString();
  return `#/${view}${query && `?${query}`}`;
}

export function go(view: View, params: Record<string, string | undefined> = {}): void {
  location.hash = hrefOf(view, params);
}

/** Change the parameters without a new entry in the browser's history. */
export function replaceParams(params: Record<string, string | undefined>): void {
  history.replaceState(null, "", hrefOf(route.value.view, params));
  route.set(read());
}
