// One field of the form, by the type of its parameter.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { useMessages } from "../../i18n";
import { useDescriptions } from "../../i18n/descriptions";
import { Words } from "../../parts/words";
import type { Field } from "../../tasks/fields";
import { parsed, spelled } from "../../tasks/form";

const MOST_SEGMENTS = 5;

export interface FieldProps {
  field: Field;
  value: string;
  change: (value: string) => void;
  /** Why the API, or this page, refuses the value. */
  invalid: string | undefined;
  /** Whether the description of the API is shown. */
  isDescribed?: boolean;
}

export const useFieldName = (field: Field): string =>
  useMessages().playground.fields[field.name] ?? field.name;

export function FieldInput(props: FieldProps) {
  const { field, value, isDescribed = false } = props;
  const { playground: t } = useMessages();
  const problem = props.invalid ?? (field.type === "json" && value && !parsed(value) ? t.badJson : undefined);
  const id = useId();
  const isAbout = isDescribed && (field.description || field.limit);
  const described = problem ? `${id}-problem` : isAbout ? `${id}-about` : undefined;
  const about = isAbout && <About field={field} id={`${id}-about`} />;
  if (field.type === "choice" && isSegmented(field)) {
    return (
      <Segments {...props} described={described}>
        {about}
        <Problem text={problem} id={`${id}-problem`} />
      </Segments>
    );
  }
  const aria = { "aria-invalid": problem !== undefined, "aria-describedby": described };
  return (
    <div class="field">
      <label for={id}>
        <Name field={field} />
      </label>
      <Control {...props} id={id} aria={aria} />
      {about}
      <Problem text={problem} id={`${id}-problem`} />
    </div>
  );
}

/** The description of a field in the API's documents. */
function About({ field, id }: { field: Field; id: string }) {
  const translated = useDescriptions();
  const texts = [field.description, field.limit ?? ""].filter(Boolean).map(translated);
  return (
    <p id={id} class="muted field-about">
      <Words text={texts.join(" ")} />
    </p>
  );
}

function Problem({ text, id }: { text: string | undefined; id: string }) {
  if (text === undefined) return null;
  return (
    <p id={id} class="field-error" role="alert">
      {text}
    </p>
  );
}

function Name({ field }: { field: Field }) {
  const { playground: t } = useMessages();
  return (
    <>
      {useFieldName(field)}
      {field.isRequired && <span class="muted"> · {t.required}</span>}
    </>
  );
}

type ControlProps = FieldProps & { id: string; aria: Record<string, unknown> };

function Control({ field, value, change, id, aria }: ControlProps) {
  const { playground: t } = useMessages();
  const common = { id, ...aria };
  const set = (event: { currentTarget: { value: string } }) => change(event.currentTarget.value);
  switch (field.type) {
    case "long":
      return (
        <textarea
          {...common}
          rows={field.name === "prompt" ? 4 : 2}
          value={value}
          maxLength={field.longest}
          placeholder={field.name === "prompt" ? t.promptHint : undefined}
          onInput={set}
        />
      );
    case "json":
      return (
        <textarea {...common} class="mono" rows={3} value={value} placeholder="{}" onInput={set} />
      );
    case "number":
      return (
        <input
          {...common}
          type="number"
          inputMode="numeric"
          value={value}
          min={field.least}
          max={field.most}
          step={1}
          placeholder={t.auto}
          onInput={set}
        />
      );
    case "switch":
      return (
        <select {...common} value={value} onChange={set}>
          <option value="">{t.auto}</option>
          <option value="true">{t.yes}</option>
          <option value="false">{t.no}</option>
        </select>
      );
    case "choice": {
      const options = field.options ?? [];
      return (
        <select {...common} value={spelled(options, value)} onChange={set}>
          {!field.isRequired && <option value="">{t.auto}</option>}
          {options.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      );
    }
    default:
      return (
        <input
          {...common}
          type="text"
          value={value}
          maxLength={field.longest}
          placeholder={field.format === "date-time" ? "2027-01-31T12:00:00Z" : undefined}
          onInput={set}
        />
      );
  }
}

// Choices that are all visible

const isRatio = (field: Field) => field.options?.every((option) => /^(\d+:\d+|auto)$/.test(option));
const isSegmented = (field: Field) =>
  isRatio(field) || (field.options?.length ?? 0) <= MOST_SEGMENTS;

interface SegmentsProps extends FieldProps {
  /** Id of the element that describes the field. */
  described: string | undefined;
  children: ComponentChildren;
}

function Segments({ field, value, change, described, children }: SegmentsProps) {
  const { playground: t } = useMessages();
  const name = useId();
  const options = field.options ?? [];
  const chosen = spelled(options, value);
  const ratios = isRatio(field);
  const all = field.isRequired ? options : ["", ...options];
  return (
    <fieldset class="field choices" aria-describedby={described}>
      <legend>
        <Name field={field} />
      </legend>
      <div class={ratios ? "ratios" : "segments"}>
        {all.map((option) => (
          <label key={option} class="option">
            <input
              type="radio"
              name={name}
              checked={option === chosen}
              onChange={() => change(option)}
            />
            {ratios && <Ratio ratio={option} />}
            <span>{option || t.auto}</span>
          </label>
        ))}
      </div>
      {children}
    </fieldset>
  );
}

/** The shape of an aspect ratio; of an automatic one a square with a dashed edge. */
function Ratio({ ratio }: { ratio: string }) {
  const [width = 1, height = 1] = ratio.includes(":") ? ratio.split(":").map(Number) : [1, 1];
  const scale = 20 / Math.max(width, height);
  const [w, h] = [Math.max(4, width * scale), Math.max(4, height * scale)];
  return (
    <svg class="ratio" viewBox="0 0 24 24" aria-hidden="true">
      <rect
        x={12 - w / 2}
        y={12 - h / 2}
        width={w}
        height={h}
        rx="1.5"
        stroke-dasharray={ratio.includes(":") ? undefined : "3 2.4"}
      />
    </svg>
  );
}
