// The kinds, models and scenes, and the fields of the form that a choice of them allows.
import { examples } from "aigc:schemas";
import type { Schemas } from "../../api";
import { fieldsOf, type Field, type Limit } from "../../tasks/fields";
import type { Task } from "../../tasks/form";

export type Catalogue = Schemas["Models"];

/** The kind, and the model or scene, of a task. */
export interface Choice {
  endpoint: string;
  /** Model and version of a kind that has models; both empty: the vendor chooses. */
  model: string;
  version: string;
  /** Whether model and version are typed in, and not one of the catalogue. */
  isOther: boolean;
  /** The scene of a kind that has scenes. */
  scene: string;
}

/** Parameters that are part of a choice. */
const CHOSEN = new Set(["model_name", "model_version", "scene_info.type"]);

export const kindOf = (catalogue: Catalogue, endpoint: string) =>
  catalogue.kinds.find((kind) => kind.endpoint === endpoint);

export const hasScenes = (catalogue: Catalogue, endpoint: string): boolean =>
  kindOf(catalogue, endpoint)?.models.length === 0;

/** Return the choice of a task, or of the example in the API's documents. */
export function choiceOf(catalogue: Catalogue, endpoint: string, task?: Task): Choice {
  const shown = task ?? examples[endpoint] ?? {};
  const model = String(shown["model_name"] ?? "");
  const version = String(shown["model_version"] ?? "");
  const info = shown["scene_info"] as { type?: string } | undefined;
  const known = kindOf(catalogue, endpoint)?.models.some(
    (entry) => entry.name === model && entry.version === version,
  );
  return {
    endpoint,
    model,
    version,
    isOther: model !== "" && !known,
    scene: info?.type ?? "",
  };
}

const sceneOf = (catalogue: Catalogue, choice: Choice) =>
  catalogue.scenes.find((scene) => scene.name === choice.scene);

function limitsOf(catalogue: Catalogue, choice: Choice): Limit[] {
  if (choice.scene) return sceneOf(catalogue, choice)?.limits ?? [];
  if (choice.isOther) return [];
  const model = kindOf(catalogue, choice.endpoint)?.models.find(
    ({ name, version }) => name === choice.model && version === choice.version,
  );
  return model?.limits ?? [];
}

export function fieldsOfChoice(catalogue: Catalogue, choice: Choice): Field[] {
  const config = `scene_info.${sceneOf(catalogue, choice)?.config}`;
  const isLeftOut = (path: string) =>
    CHOSEN.has(path) || (/^scene_info\.\w+_config$/.test(path) && path !== config);
  return fieldsOf(choice.endpoint, limitsOf(catalogue, choice), isLeftOut);
}

/** The part of a task that the choice decides. */
export function startOfTask(catalogue: Catalogue, choice: Choice): Task {
  if (choice.scene) {
    const config = sceneOf(catalogue, choice)?.config;
    return { scene_info: { type: choice.scene, ...(config ? { [config]: {} } : {}) } };
  }
  const { model, version } = choice;
  return {
    ...(model ? { model_name: model } : {}),
    ...(version ? { model_version: version } : {}),
  };
}
