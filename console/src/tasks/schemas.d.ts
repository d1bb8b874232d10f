/** What the build takes out of the OpenAPI document: the bodies of the calls that submit tasks. */
declare module "aigc:schemas" {
  export interface Schema {
    $ref?: string;
    type?: string;
    anyOf?: Schema[];
    enum?: string[];
    const?: string;
    properties?: Record<string, Schema>;
    required?: string[];
    items?: Schema;
    minItems?: number;
    maxItems?: number;
    minimum?: number;
    maximum?: number;
    exclusiveMinimum?: number;
    minLength?: number;
    maxLength?: number;
    pattern?: string;
    format?: string;
    contentMediaType?: string;
    contentEncoding?: string;
    description?: string;
  }
  /** Path of the call → its body. */
  export const tasks: Record<string, Schema>;
  /** Path of the call → the example of its body. */
  export const examples: Record<string, Record<string, unknown>>;
  /** Name → schema of everything that the bodies refer to. */
  export const schemas: Record<string, Schema> & { UploadRequest: Schema };
}

/** What the build takes from the translations of the documentation: English → Chinese. */
declare module "aigc:zh-CN" {
  const texts: Record<string, string>;
  export default texts;
}
