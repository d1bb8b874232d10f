// The filters; each of them is a parameter of the address.
import { useEffect, useId, useState } from "preact/hooks";
import { get } from "../../api";
import { useMessages } from "../../i18n";
import { useLoad } from "../../load";
import { FILTERS, type Filters, type ListedImage } from "./images";

const TYPING_MS = 350;

export interface FilterBarProps {
  filters: Filters;
  /** The images that are listed; the filters offer their values. */
  images: ListedImage[];
  change: (filters: Filters) => void;
}

export function FilterBar({ filters, images, change }: FilterBarProps) {
  const { gallery: t } = useMessages();
  const [isOpen, setOpen] = useState(Object.keys(filters).some((name) => name !== "q"));
  const offered = useOffered(images, filters);
  const panel = useId();
  const set = (name: keyof Filters) => (value: string) =>
    change(filledOf({ ...filters, [name]: value }));
  const chosen = FILTERS.filter((name) => name !== "q" && filters[name]).length;
  return (
    <form class="gallery-filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <div class="gallery-filters-first">
        <TextFilter label={t.filter.q} value={filters.q ?? ""} change={set("q")} isSearch />
        <button
          type="button"
          aria-expanded={isOpen}
          aria-controls={panel}
          onClick={() => setOpen(!isOpen)}
        >
          {t.filters}
          {chosen > 0 && <span class="gallery-filters-chosen">{chosen}</span>}
        </button>
      </div>
      <div class="gallery-filters-more" id={panel} hidden={!isOpen}>
        <TextFilter
          label={t.filter.folder}
          value={filters.folder ?? ""}
          change={set("folder")}
          options={offered.folder}
        />
        <Choice name="kind" filters={filters} options={offered.kind} change={set("kind")} />
        <Choice name="model" filters={filters} options={offered.model} change={set("model")} />
        <Choice name="source" filters={filters} options={offered.source} change={set("source")} />
        <DayFilter name="since" filters={filters} change={set("since")} />
        <DayFilter name="until" filters={filters} change={set("until")} />
        {chosen > 0 && (
          <button type="button" class="quiet" onClick={() => change({})}>
            {t.clear}
          </button>
        )}
      </div>
    </form>
  );
}

interface TextFilterProps {
  label: string;
  value: string;
  change: (value: string) => void;
  options?: string[];
  isSearch?: boolean;
}

/** A text field that is applied when the typing pauses. */
function TextFilter({ label, value, change, options = [], isSearch }: TextFilterProps) {
  const [text, setText] = useState(value);
  const list = useId();
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = window.setTimeout(() => change(text), TYPING_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  return (
    <label class={isSearch ? "field gallery-filters-search" : "field"}>
      <span class={isSearch ? "visually-hidden" : ""}>{label}</span>
      <input
        type={isSearch ? "search" : "text"}
        value={text}
        placeholder={isSearch ? label : ""}
        autocomplete="off"
        {...(options.length > 0 && { list })}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {options.length > 0 && (
        <datalist id={list}>
          {options.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
    </label>
  );
}

type Options = readonly { value: string; label: string }[];

interface ChoiceProps {
  name: "kind" | "model" | "source";
  filters: Filters;
  options: Options;
  change: (value: string) => void;
}

function Choice({ name, filters, options, change }: ChoiceProps) {
  const { gallery: t } = useMessages();
  const value = filters[name] ?? "";
  const isOffered = value === "" || options.some((option) => option.value === value);
  return (
    <label class="field">
      <span>{t.filter[name]}</span>
      <select value={value} onChange={(event) => change(event.currentTarget.value)}>
        <option value="">{t.all}</option>
        {!isOffered && <option value={value}>{value}</option>}
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </label>
  );
}

interface DayFilterProps {
  name: "since" | "until";
  filters: Filters;
  change: (value: string) => void;
}

function DayFilter({ name, filters, change }: DayFilterProps) {
  const { gallery: t } = useMessages();
  return (
    <label class="field">
      <span>{t.filter[name]}</span>
      <input
        type="date"
        value={filters[name] ?? ""}
        onChange={(event) => change(event.currentTarget.value)}
      />
    </label>
  );
}

/** The choices: from the catalogue, and from the images that are listed. */
function useOffered(images: ListedImage[], filters: Filters) {
  const { gallery: t } = useMessages();
  const catalogue = useLoad("models", (signal) => get("/v1/models", { signal })).data;
  const kinds = catalogue?.kinds ?? [];
  const ofKind = kinds.filter(({ kind }) => !filters.kind || kind === filters.kind);
  const known = ofKind.flatMap(({ models }) => models.map((m) => `${m.name} ${m.version}`.trim()));
  const sources = images.map(({ source }) => `${source.type}:${source.name}`);
  return {
    folder: sortedOnce(images.map(({ key }) => key.slice(0, key.lastIndexOf("/") + 1))),
    kind: plain(kinds.map(({ kind }) => kind)),
    model: plain(sortedOnce([...images.map(({ model }) => model), ...known])),
    source: [
      { value: "call", label: t.calls },
      { value: "upload", label: t.uploads },
      ...plain(sortedOnce(sources)),
    ],
  };
}

const plain = (values: string[]): Options => values.map((value) => ({ value, label: value }));

const sortedOnce = (values: string[]): string[] =>
  [...new Set(values.filter(Boolean))].sort((a, b) => a.localeCompare(b));

const filledOf = (filters: Filters): Filters =>
  Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
