// The fields of a task's form: from the schema of its body and the limits of its model or scene.
import { schemas, tasks, type Schema } from "aigc:schemas";
import type { Schemas } from "../api";

export type Limit = Schemas["ModelLimit"];

export interface Field {
  /** Where the value goes in the body: `output_config.aspect_ratio`. */
  path: string;
  name: string;
  type: "text" | "long" | "choice" | "number" | "switch" | "json" | "images";
  isRequired: boolean;
  description: string;
  /** The limit of the model or the scene in words, where it is not in the other properties. */
  limit?: string;
  options?: string[];
  least?: number;
  most?: number;
  longest?: number;
  format?: string;
  /** Of `images`: the field of an item that holds the URL. */
  urlField?: string;
  /** Of `images`: the options that each image may have. */
  item?: Field[];
}

/** Parameters for programs: a form needs none of them. */
const NOT_IN_A_FORM = /^(sub_app_id|session_id|session_context|webhook_url|store_cos_param)(\.|$)/;

/** Fields of an input image that locate it. */
const SOURCES = new Set(["type", "file_id", "url", "image_url", "base64"]);

const LONG_TEXTS = /(prompt|product_desc|more_requirement)$/;

/**
 * List the fields of a task.
 *
 * @param endpoint path of the call that submits it
 * @param limits what its model or its scene allows
 * @param isLeftOut whether a path, with all below it, has no field
 */
export function fieldsOf(
  endpoint: string,
  limits: Limit[],
  isLeftOut: (path: string) => boolean,
): Field[] {
  const byPath = new Map(limits.map((limit) => [limit.parameter, limit]));
  const left = (path: string) => NOT_IN_A_FORM.test(path) || isLeftOut(path);
  const body = tasks[endpoint];
  return body ? [...walk(resolve(body), "", byPath, left)] : [];
}

/** Whether the body of a call must have a field. */
export const isNeeded = (endpoint: string, name: string): boolean =>
  resolve(tasks[endpoint] ?? {}).required?.includes(name) ?? false;

function* walk(
  schema: Schema,
  prefix: string,
  limits: Map<string, Limit>,
  isLeftOut: (path: string) => boolean,
): Generator<Field> {
  for (const [name, described] of Object.entries(schema.properties ?? {})) {
    const path = prefix + name;
    if (isLeftOut(path)) continue;
    const inner = present(described);
    if (inner.properties) {
      yield* walk(inner, `${path}.`, limits, isLeftOut);
      continue;
    }
    const limit = limits.get(path);
    const isAbsent = limit?.one_of?.length === 0 || limit?.at_most === 0;
    if (isAbsent) continue;
    const isRequired = schema.required?.includes(name) ?? false;
    yield limited(fieldOf(path, name, described, isRequired), limit);
  }
}

function fieldOf(path: string, name: string, described: Schema, isRequired: boolean): Field {
  const description = described.description ?? "";
  return { path, name, isRequired, description, ...shapeOf(name, present(described)) };
}

type Shape = Pick<Field, "type"> & Partial<Field>;

function shapeOf(name: string, schema: Schema): Shape {
  const kinds = schema.anyOf?.map(present) ?? [];
  if (kinds.some((kind) => kind.type === "boolean")) return { type: "switch" };
  if (kinds.some((kind) => kind.contentMediaType)) return { type: "json" };
  if (schema.enum) return { type: "choice", options: schema.enum };
  if (schema.const !== undefined) return { type: "choice", options: [schema.const] };
  if (schema.type === "integer") {
    const least = schema.minimum ?? (schema.exclusiveMinimum ?? NaN) + 1;
    return { type: "number", ...numbers({ least, most: schema.maximum }) };
  }
  if (schema.type === "array") {
    const { properties = {} } = present(schema.items ?? {});
    const urlField = "image_url" in properties ? "image_url" : "url";
    const options = Object.entries(properties).filter(([option]) => !SOURCES.has(option));
    const item = options.map(([option, inner]) => fieldOf(option, option, inner, false));
    const limits = numbers({ least: schema.minItems, most: schema.maxItems });
    return { type: "images", urlField, item, ...limits };
  }
  const type = LONG_TEXTS.test(name) ? "long" : "text";
  const format = schema.format ? { format: schema.format } : {};
  return { type, ...numbers({ longest: schema.maxLength }), ...format };
}

function limited(field: Field, limit: Limit | undefined): Field {
  if (!limit) return field;
  if (limit.one_of) return { ...field, type: "choice", options: limit.one_of };
  if (limit.at_most === undefined && limit.at_least === undefined) {
    return { ...field, limit: limit.allowed };
  }
  const isText = field.type === "long" || field.type === "text";
  if (isText) return { ...field, ...numbers({ longest: limit.at_most }) };
  return { ...field, ...numbers({ least: limit.at_least, most: limit.at_most }) };
}

/** Leave out what is absent or no number. */
function numbers<T extends Record<string, number | undefined>>(values: T): { [K in keyof T]?: number } {
  const entries = Object.entries(values).filter(([, value]) => Number.isFinite(value));
  return Object.fromEntries(entries) as { [K in keyof T]?: number };
}

/** Follow a reference, and take null away: an absent field is left out of the body. */
function present(schema: Schema): Schema {
  const resolved = resolve(schema);
  const others = resolved.anyOf?.filter((kind) => kind.type !== "null");
  const [only] = others ?? [];
  if (only && others?.length === 1) return resolve(only);
  return others ? { ...resolved, anyOf: others } : resolved;
}

function resolve(schema: Schema): Schema {
  const name = schema.$ref?.split("/").pop();
  return (name && schemas[name]) || schema;
}
