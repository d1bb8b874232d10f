// The values of a form, and the task that they make.
import type { Field } from "./fields";

export interface InputImage {
  id: string;
  name: string;
  /** How the task names it, `cos://…` or `https://…`; empty while it is uploaded. */
  url: string;
  /** Part of the upload that is done, 0 to 1. */
  progress: number;
  error?: string;
  /** The file that was chosen here. */
  file?: File;
  /** The options of the image, such as its role, as values of a form. */
  options: Values;
  /** How an earlier task names an image that has no URL. */
  more?: Record<string, unknown>;
}

/** Address of an image that is still to be chosen: it is reserved, and nothing asks for it. */
const STAND_IN = "https://image.invalid/";

export type Value = string | InputImage[];
export type Values = Record<string, Value>;
export type Task = Record<string, unknown>;

export const textOf = (values: Values, path: string): string => {
  const value = values[path];
  return typeof value === "string" ? value : "";
};
export const imagesOf = (values: Values, path: string): InputImage[] => {
  const value = values[path];
  return Array.isArray(value) ? value : [];
};

/** Change an image in all fields that have it. */
export function withImage(values: Values, id: string, part: Partial<InputImage>): Values {
  const changed = (image: InputImage) => (image.id === id ? { ...image, ...part } : image);
  const entries = Object.entries(values).map(([path, value]) => [
    path,
    Array.isArray(value) ? value.map(changed) : value,
  ]);
  return Object.fromEntries(entries) as Values;
}

/** The option that a value means, in the spelling of the list: 1K for one model, 1k for another. */
export const spelled = (options: string[], value: string): string =>
  options.find((option) => option.toLowerCase() === value.toLowerCase()) ?? "";

/** Write the task of a form into `start`, without what is empty. */
export function taskOf(fields: Field[], values: Values, start: Task): Task {
  const task = structuredClone(start);
  for (const field of fields) {
    const value = valueOf(field, values);
    if (value !== undefined) put(task, field.path.split("."), value);
  }
  return task;
}

function valueOf(field: Field, values: Values): unknown {
  if (field.type === "images") {
    const images = imagesOf(values, field.path).filter((image) => image.url || image.more);
    return images.length ? images.map((image) => itemOf(image, field)) : undefined;
  }
  const text = textOf(values, field.path).trim();
  if (!text) return undefined;
  if (field.type === "number") return Number(text);
  if (field.type === "switch") return text === "true";
  if (field.type === "choice") return spelled(field.options ?? [], text) || undefined;
  if (field.type === "json") return parsed(text) ?? text;
  return text;
}

function itemOf(image: InputImage, field: Field): Task {
  const source = image.url ? { [field.urlField ?? "url"]: image.url } : {};
  return taskOf(field.item ?? [], image.options, { ...image.more, ...source });
}

function put(task: Task, path: string[], value: unknown): void {
  const [name = "", ...rest] = path;
  if (!rest.length) {
    task[name] = value;
    return;
  }
  const inner = (task[name] ??= {}) as Task;
  put(inner, rest, value);
}

/** Read a JSON object; undefined if it is none. */
export function parsed(text: string): Task | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Task) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Fill a task with placeholder texts and images, so that it is valid.
 *
 * The price of a task depends on its choices and on the number of its images only. Long texts are
 * replaced in any case, so that the price is not asked for while they are written.
 */
export function withStandIns(fields: Field[], values: Values, task: Task): Task {
  const filled = structuredClone(task);
  for (const field of fields) {
    const standIn = standInOf(field, values);
    if (standIn !== undefined) put(filled, field.path.split("."), standIn);
  }
  return filled;
}

function standInOf(field: Field, values: Values): unknown {
  if (field.type === "images") {
    const images = imagesOf(values, field.path).filter(({ error }) => !error);
    const missing = Math.max(0, (field.least ?? 0) - images.length);
    const all = [...images, ...Array.from({ length: missing }, () => imageAt(""))];
    const named = all.map((image) => (image.url || image.more ? image : imageAt(STAND_IN)));
    return named.length ? named.map((image) => itemOf(image, field)) : undefined;
  }
  const isEmpty = !textOf(values, field.path).trim();
  const isNeeded = field.isRequired || field.name === "prompt";
  if (field.type === "long") return isNeeded || !isEmpty ? "…" : undefined;
  return field.type === "text" && isNeeded && isEmpty ? "…" : undefined;
}

/** Read the values of a form out of a task, as `GET /v1/jobs/{id}` has it. */
export function valuesOf(fields: Field[], task: Task): Values {
  const values: Values = {};
  for (const field of fields) {
    const value = field.path.split(".").reduce<unknown>((part, name) => {
      return part && typeof part === "object" ? (part as Task)[name] : undefined;
    }, task);
    if (value === undefined || value === null) continue;
    values[field.path] = shown(field, value);
  }
  return values;
}

function shown(field: Field, value: unknown): Value {
  if (field.type === "images") {
    return (value as Task[]).map((item) => imageOf(item, field));
  }
  if (field.type === "switch") return String(value === true || value === 1 || value === "Enabled");
  if (field.type === "json") {
    const object = typeof value === "string" ? parsed(value) : (value as Task);
    return object ? JSON.stringify(object, null, 2) : String(value);
  }
  return String(value);
}

function imageOf(item: Task, field: Field): InputImage {
  const options = field.item ?? [];
  const { [field.urlField ?? "url"]: url, type: _, ...rest } = item;
  const isOption = ([name]: [string, unknown]) => options.some(({ path }) => path === name);
  const more = Object.fromEntries(Object.entries(rest).filter((entry) => !isOption(entry)));
  const text = typeof url === "string" ? url : "";
  return {
    ...imageAt(text || String(more["file_id"] ?? "")),
    url: text,
    options: valuesOf(options, item),
    ...(Object.keys(more).length ? { more } : {}),
  };
}

/** An image that needs no upload. */
export function imageAt(url: string): InputImage {
  const name = url.split(/[?#]/)[0]?.split("/").pop() || url;
  return { id: newId(), name: decoded(name), url, progress: 1, options: {} };
}

/** Decode a part of a URL; a key of a bucket may have a `%` of its own. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A random name; `crypto.randomUUID` exists only on pages over https. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
