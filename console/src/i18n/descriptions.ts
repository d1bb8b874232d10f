// Texts that come from the API's documents: in Chinese by the translations of the documentation.
import { useEffect } from "preact/hooks";
import { Store, useStore } from "../store";
import { language } from "./index";

/** English → Chinese; empty until it is loaded, which only a Chinese page does. */
const chinese = new Store<Record<string, string>>({});

async function load(): Promise<void> {
  chinese.set((await import("aigc:zh-CN")).default);
}

/** Return a function that translates a text of the API's documents into the chosen language. */
export function useDescriptions(): (text: string) => string {
  const isChinese = useStore(language) === "zh";
  const known = useStore(chinese);
  useEffect(() => {
    if (isChinese) load().catch(() => undefined); // the texts stay in English
  }, [isChinese]);
  return (text) => (isChinese ? (known[text] ?? text) : text);
}
