// The values of a form, and the task that they make.
import type { Field } from "./fields";

export interface InputImage {
  id: string;
  name: string;
  /** How the task names it, `cos://…` or `https://…`; empty while it is uploaded. */
  url: string;
  /** A `blob:` URL of the file that was chosen here; empty for images from elsewhere. */
  preview: string;
  /** Part of the upload that is done, 0 to 1. */
  progress: number;
  error?: string;
  file?: File;
  /** Further fields of an image of an earlier task. */
  more?: Record<string, unknown>;
}

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
  return { ...image.more, ...(image.url ? { [field.urlField ?? "url"]: image.url } : {}) };
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
    return (value as Task[]).map((item) => imageOf(item, field.urlField ?? "url"));
  }
  if (field.type === "switch") return String(value === true || value === 1 || value === "Enabled");
  if (field.type === "json") {
    const object = typeof value === "string" ? parsed(value) : (value as Task);
    return object ? JSON.stringify(object, null, 2) : String(value);
  }
  return String(value);
}

function imageOf(item: Task, urlField: string): InputImage {
  const { [urlField]: url, type: _, ...more } = item;
  const text = typeof url === "string" ? url : "";
  return {
    ...imageAt(text || String(more["file_id"] ?? "")),
    url: text,
    ...(Object.keys(more).length ? { more } : {}),
  };
}

/** An image that is somewhere already. */
export function imageAt(url: string): InputImage {
  const name = url.split(/[?#]/)[0]?.split("/").pop() || url;
  return { id: newId(), name: decoded(name), url, preview: "", progress: 1 };
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
