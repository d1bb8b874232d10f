// Kind, and then model or scene.
import { useMessages } from "../../i18n";
import { isNeeded } from "../../tasks/fields";
import { choiceOf, hasScenes, kindOf, type Catalogue, type Choice } from "./catalogue";

const OTHER = "other";

export interface ChooseProps {
  catalogue: Catalogue;
  /** The kinds that the key may use. */
  kinds: string[];
  choice: Choice;
  change: (choice: Choice) => void;
}

export function Choose(props: ChooseProps) {
  const { catalogue, kinds, choice, change } = props;
  const { playground: t } = useMessages();
  const allowed = catalogue.kinds.filter(({ kind }) => kinds.includes(kind));
  return (
    <>
      <fieldset class="field choices">
        <legend>{t.kind}</legend>
        <div class="segments">
          {allowed.map(({ kind, endpoint }) => (
            <label key={kind} class="option">
              <input
                type="radio"
                name="kind"
                checked={endpoint === choice.endpoint}
                onChange={() => change(choiceOf(catalogue, endpoint))}
              />
              <span>{t.kinds[kind] ?? kind}</span>
            </label>
          ))}
        </div>
      </fieldset>
      {hasScenes(catalogue, choice.endpoint) ? <Scene {...props} /> : <Model {...props} />}
    </>
  );
}

function Scene({ catalogue, choice, change }: ChooseProps) {
  const { playground: t } = useMessages();
  return (
    <div class="field">
      <label for="scene">{t.scene}</label>
      <select
        id="scene"
        value={choice.scene}
        onChange={(event) => change({ ...choice, scene: event.currentTarget.value })}
      >
        {catalogue.scenes.map(({ name, is_deprecated }) => (
          <option key={name} value={name}>
            {t.scenes[name] ?? name}
            {is_deprecated && ` (${t.deprecated})`}
          </option>
        ))}
      </select>
    </div>
  );
}

function Model({ catalogue, choice, change }: ChooseProps) {
  const { playground: t } = useMessages();
  const models = kindOf(catalogue, choice.endpoint)?.models ?? [];
  const valueOf = (name: string, version: string) => JSON.stringify([name, version]);
  const select = (value: string) => {
    if (value === OTHER) {
      change({ ...choice, isOther: true });
      return;
    }
    const [model, version] = JSON.parse(value) as [string, string];
    change({ ...choice, model, version, isOther: false });
  };
  const names = [...new Set(models.map(({ name }) => name))];
  const canBeDefault = !isNeeded(choice.endpoint, "model_name");
  return (
    <>
      <div class="field">
        <label for="model">{t.model}</label>
        <select
          id="model"
          value={choice.isOther ? OTHER : valueOf(choice.model, choice.version)}
          onChange={(event) => select(event.currentTarget.value)}
        >
          {canBeDefault && <option value={valueOf("", "")}>{t.modelDefault}</option>}
          {names.map((name) => (
            <optgroup key={name} label={name}>
              {models
                .filter((model) => model.name === name)
                .map(({ version }) => (
                  <option key={version} value={valueOf(name, version)}>
                    {name} {version}
                  </option>
                ))}
            </optgroup>
          ))}
          <option value={OTHER}>{t.modelOther}</option>
        </select>
      </div>
      {choice.isOther && (
        <div class="pair">
          <label class="field">
            {t.modelName}
            <input
              type="text"
              value={choice.model}
              onInput={(event) => change({ ...choice, model: event.currentTarget.value.trim() })}
            />
          </label>
          <label class="field">
            {t.modelVersion}
            <input
              type="text"
              value={choice.version}
              onInput={(event) => change({ ...choice, version: event.currentTarget.value.trim() })}
            />
          </label>
        </div>
      )}
    </>
  );
}
