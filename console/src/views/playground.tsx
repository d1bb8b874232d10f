// The playground: a form for a task, and the requests that were submitted with it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get, post, type Schemas } from "../api";
import { useMessages } from "../i18n";
import { useLoad } from "../load";
import { EmptyNote, ErrorNote, Loading } from "../parts/notes";
import {
  choiceOf,
  fieldsOfChoice,
  startOfTask,
  type Catalogue,
  type Choice,
} from "./playground/catalogue";
import { Choose } from "./playground/choose";
import { CodeOfCall } from "./playground/code";
import { FieldInput, useFieldName } from "./playground/fields";
import { InputImages } from "./playground/images";
import { Price } from "./playground/price";
import { RunPanel, useRun, type Run } from "./playground/run";
import { replaceParams, useRoute } from "../router";
import type { Field } from "../tasks/fields";
import {
  imagesOf,
  newId,
  taskOf,
  textOf,
  valuesOf,
  withImage,
  type InputImage,
  type Task,
  type Values,
} from "../tasks/form";

/** Parameters that are always shown; the others are below "More parameters". */
const AT_ONCE = new Set([
  "prompt",
  "aspect_ratio",
  "resolution",
  "output_image_count",
  "image_width",
  "image_height",
  "scene_type",
  "product_desc",
]);
const MOST_RUNS = 12;

const isAtOnce = (field: Field) =>
  field.isRequired || field.type === "images" || AT_ONCE.has(field.name);

export function Playground() {
  const { data, error, reload } = useLoad("playground", async (signal) => {
    const [catalogue, me] = await Promise.all([
      get("/v1/models", { signal }),
      get("/v1/me", { signal }),
    ]);
    return { catalogue, kinds: me.kinds };
  });
  if (data) return <Bench {...data} />;
  if (error && !error.isOffline) return <ErrorNote error={error} retry={reload} />;
  return <Loading />;
}

function Bench({ catalogue, kinds }: { catalogue: Catalogue; kinds: string[] }) {
  const { playground: t } = useMessages();
  const [choice, setChoice] = useState(() => {
    const first = catalogue.kinds.find(({ kind }) => kinds.includes(kind));
    return choiceOf(catalogue, first?.endpoint ?? "");
  });
  const [values, setValues] = useState<Values>({});
  const [runs, setRuns] = useState<Run[]>([]);
  const [selected, setSelected] = useState("");
  const fields = useMemo(() => fieldsOfChoice(catalogue, choice), [catalogue, choice]);
  const task = useMemo(
    () => taskOf(fields, values, startOfTask(catalogue, choice)),
    [catalogue, choice, fields, values],
  );
  const stage = useRef<HTMLDivElement>(null);

  const show = (run: Run) => {
    setRuns((all) => [run, ...all.filter(({ id }) => id !== run.id)].slice(0, MOST_RUNS));
    setSelected(run.id);
  };
  const loaded = useJobOfAddress(catalogue, (job) => {
    setChoice(job.choice);
    setValues(job.values);
    show(job.run);
  });
  const run = runs.find(({ id }) => id === selected);

  return (
    <div class="playground">
      <div class="bench">
        <ErrorNote error={loaded.error} />
        {loaded.shown && <p class="note">{t.loadedJob[loaded.shown]}</p>}
        <TaskForm
          catalogue={catalogue}
          kinds={kinds}
          choice={choice}
          fields={fields}
          values={values}
          task={task}
          change={(next) => {
            setValues((all) => withImagesMoved(fields, fieldsOfChoice(catalogue, next), all));
            setChoice(next);
          }}
          setValues={setValues}
          submitted={(submitted) => {
            show(submitted);
            stage.current?.scrollIntoView({ block: "start", behavior: "smooth" });
          }}
        />
        <CodeOfCall endpoint={choice.endpoint} task={task} />
      </div>
      <div class="stage" ref={stage}>
        {run ? (
          <RunPanel key={run.id} run={run} />
        ) : (
          <Invitation choose={(prompt) => setValues((all) => ({ ...all, ...promptIn(fields, prompt) }))} />
        )}
        {runs.length > 1 && <Earlier runs={runs} selected={selected} select={setSelected} />}
      </div>
    </div>
  );
}

/** Move the images to the field for images of another kind. */
function withImagesMoved(from: Field[], to: Field[], values: Values): Values {
  const [source, target] = [from, to].map((all) => all.find(isOfInputs)?.path);
  if (!source || !target || source === target || imagesOf(values, target).length) return values;
  return { ...values, [target]: imagesOf(values, source) };
}

/** Whether a field has the task's own inputs, and not the clothes of a scene, for instance. */
const isOfInputs = ({ type, path }: Field): boolean => type === "images" && !path.includes(".");

function promptIn(fields: Field[], prompt: string): Values {
  const field = fields.find(({ name }) => name === "prompt");
  return field ? { [field.path]: prompt } : {};
}

interface JobOfAddress {
  choice: Choice;
  values: Values;
  run: Run;
}

/** Load the task of the job that the address names: `#/playground?job=<id>`. */
function useJobOfAddress(catalogue: Catalogue, use: (job: JobOfAddress) => void) {
  const { view, params } = useRoute();
  const id = view === "playground" ? (params.get("job") ?? "") : "";
  const [state, setState] = useState<{ shown?: "call" | "upload"; error?: unknown }>({});
  useEffect(() => {
    if (!id) return;
    const abort = new AbortController();
    get("/v1/jobs/{id}", { path: { id }, signal: abort.signal })
      .then((job) => {
        const endpoint = catalogue.kinds.find(({ kind }) => kind === job.kind)?.endpoint ?? "";
        const task = job.task as Task;
        const choice = choiceOf(catalogue, endpoint, task);
        const values = withoutUpload(valuesOf(fieldsOfChoice(catalogue, choice), task), job.source);
        const startedAt = Date.parse(job.created_at);
        const { prompt, model } = job;
        use({ choice, values, run: { id, endpoint, inputs: [], prompt, model, startedAt } });
        setState({ shown: job.source.type });
        replaceParams({});
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted) setState({ error });
      });
    return () => abort.abort();
  }, [id, catalogue]);
  return state;
}

/** Leave out the uploaded file of a job: a call cannot name objects of the inbox. */
function withoutUpload(values: Values, source: Schemas["JobSource"]): Values {
  if (source.type !== "upload") return values;
  const isKept = ({ url }: InputImage) => !url.startsWith(`cos://${source.bucket}/`);
  const kept = Object.entries(values).map(([path, value]) => [
    path,
    Array.isArray(value) ? value.filter(isKept) : value,
  ]);
  return Object.fromEntries(kept) as Values;
}

// The form

interface TaskFormProps {
  catalogue: Catalogue;
  kinds: string[];
  choice: Choice;
  fields: Field[];
  values: Values;
  task: Task;
  change: (choice: Choice) => void;
  setValues: (edit: (values: Values) => Values) => void;
  submitted: (run: Run) => void;
}

type SubmitPath = "/tencent-vod/v1/aigc-image";

function TaskForm(props: TaskFormProps) {
  const { catalogue, kinds, choice, fields, values, task, setValues } = props;
  const { playground: t } = useMessages();
  const [error, setError] = useState<unknown>();
  const [isSending, setSending] = useState(false);
  // A call that is repeated because its answer was lost must not be paid twice.
  const sent = useRef({ text: "", key: "" });
  const images = fields
    .filter(({ type }) => type === "images")
    .flatMap(({ path }) => imagesOf(values, path));
  const isUploading = images.some((image) => image.file && !image.url && !image.error);
  const wrongField = error instanceof ApiError ? error.field : null;

  const submit = async (event: Event) => {
    event.preventDefault();
    if (isSending || isUploading) return;
    if (images.some((image) => image.error)) {
      setError(t.images.unsolved);
      return;
    }
    setSending(true);
    setError(undefined);
    const text = JSON.stringify([choice.endpoint, task]);
    if (sent.current.text !== text) sent.current = { text, key: newId() };
    try {
      const answer = await post(choice.endpoint as SubmitPath, {
        body: task as never,
        headers: { "Idempotency-Key": sent.current.key },
      });
      sent.current = { text: "", key: "" };
      props.submitted({
        id: answer.request_id,
        endpoint: choice.endpoint,
        inputs: images.flatMap(({ file }) => file ?? []),
        prompt: promptOf(fields, values),
        model: choice.scene || `${choice.model} ${choice.version}`.trim(),
        startedAt: Date.now(),
      });
    } catch (problem) {
      setError(problem);
    } finally {
      setSending(false);
    }
  };

  const isWrong = (field: Field) =>
    wrongField === field.path ||
    (field.type === "images" && (wrongField?.startsWith(`${field.path}.`) ?? false));
  const input = (field: Field, isDescribed: boolean) => (
    <AnyField
      key={field.path}
      field={field}
      values={values}
      setValues={setValues}
      isDescribed={isDescribed}
      invalid={isWrong(field) && error instanceof ApiError ? error.message : undefined}
    />
  );
  const [first, more] = [fields.filter(isAtOnce), fields.filter((field) => !isAtOnce(field))];
  const set = more.filter(({ path }) => textOf(values, path)).length;
  const hasWrongField = fields.some(isWrong);

  return (
    <form class="card task-form" aria-label={t.form} onSubmit={(event) => void submit(event)}>
      <Choose catalogue={catalogue} kinds={kinds} choice={choice} change={props.change} />
      {inOrder(first).map((field) => input(field, false))}
      <details class="more" open={more.some(isWrong)}>
        <summary>
          {t.more} {set > 0 && <span class="badge">{t.moreSet(set)}</span>}
        </summary>
        <div class="more-fields">{more.map((field) => input(field, true))}</div>
      </details>
      <div class="submit-bar">
        {!hasWrongField && <ErrorNote error={error} />}
        <div class="submit-row">
          <Price endpoint={choice.endpoint} fields={fields} values={values} task={task} />
          <button type="submit" class="primary" disabled={isSending || isUploading}>
            {isUploading ? t.uploading : isSending ? t.submitting : t.submit}
          </button>
        </div>
      </div>
    </form>
  );
}

/** Prompts before images before the rest. */
function inOrder(fields: Field[]): Field[] {
  const rank = (field: Field) =>
    field.name === "prompt" ? 0 : isOfInputs(field) ? 1 : field.type === "images" ? 2 : 3;
  return [...fields].sort((a, b) => rank(a) - rank(b));
}

function promptOf(fields: Field[], values: Values): string {
  const field = fields.find(({ name }) => name === "prompt");
  return field ? textOf(values, field.path) : "";
}

interface AnyFieldProps {
  field: Field;
  values: Values;
  setValues: (edit: (values: Values) => Values) => void;
  isDescribed: boolean;
  invalid: string | undefined;
}

function AnyField({ field, values, setValues, isDescribed, invalid }: AnyFieldProps) {
  const label = useFieldName(field);
  if (field.type === "images") {
    const change = (edit: (images: InputImage[]) => InputImage[]) =>
      setValues((all) => ({ ...all, [field.path]: edit(imagesOf(all, field.path)) }));
    const images = imagesOf(values, field.path);
    const edit = (id: string, part: Partial<InputImage>) =>
      setValues((all) => withImage(all, id, part));
    const common = { field, label, images, invalid };
    return <InputImages {...common} change={change} edit={edit} />;
  }
  return (
    <FieldInput
      field={field}
      value={textOf(values, field.path)}
      change={(value) => setValues((all) => ({ ...all, [field.path]: value }))}
      invalid={invalid}
      isDescribed={isDescribed}
    />
  );
}

// The stage

function Invitation({ choose }: { choose: (prompt: string) => void }) {
  const { playground: t } = useMessages();
  return (
    <div class="canvas canvas-empty">
      <EmptyNote>
        <p>{t.invite}</p>
        <p class="small">{t.tryOne}</p>
        <ul class="examples">
          {t.examples.map((prompt) => (
            <li key={prompt}>
              <button type="button" onClick={() => choose(prompt)}>
                {prompt}
              </button>
            </li>
          ))}
        </ul>
      </EmptyNote>
    </div>
  );
}

interface EarlierProps {
  runs: Run[];
  selected: string;
  select: (id: string) => void;
}

function Earlier({ runs, selected, select }: EarlierProps) {
  const { playground: t } = useMessages();
  return (
    <section aria-label={t.run.earlier}>
      <h2 class="strip-title">{t.run.earlier}</h2>
      <ul class="strip">
        {runs.map((run) => (
          <li key={run.id}>
            <EarlierRun run={run} isSelected={run.id === selected} select={select} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface EarlierRunProps {
  run: Run;
  isSelected: boolean;
  select: (id: string) => void;
}

function EarlierRun({ run, isSelected, select }: EarlierRunProps) {
  const { parts } = useMessages();
  const { data } = useRun(run);
  const state = data?.job?.state ?? "running";
  const image = data?.job?.images[0];
  return (
    <button
      type="button"
      class="strip-item"
      aria-pressed={isSelected}
      aria-label={`${run.prompt || run.model}: ${parts.states[state]}`}
      title={run.prompt || run.model}
      onClick={() => select(run.id)}
    >
      {image ? <img src={image.url} alt="" /> : <span class="small">{parts.states[state]}</span>}
    </button>
  );
}
