// The texts of the console. English is the measure: a missing Chinese text is an error of types.
import { Store, useStore } from "../store";
import * as en from "./en";
import * as zh from "./zh";

export type Messages = typeof en;
export type Language = "en" | "zh";

const LANGUAGES: Record<Language, Messages> = { en, zh };
const NAME = "aigc.language";

function preferred(): Language {
  const kept = localStorage.getItem(NAME);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const language = new Store<Language>(preferred());
applyLanguage();

export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(NAME, chosen);
  language.set(chosen);
  applyLanguage();
}

function applyLanguage(): void {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
}

/** Return the texts of the language that is chosen. */
export const useMessages = (): Messages => LANGUAGES[useStore(language)];
