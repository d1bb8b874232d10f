// The input images of a task: dropped, chosen, pasted, or named by their address.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../../api";
import { useMessages } from "../../i18n";
import { useFileUrl } from "../../parts/file";
import { session } from "../../session";
import type { Field } from "../../tasks/fields";
import { imageAt, newId, textOf, type InputImage, type Values } from "../../tasks/form";
import { FORMATS, LARGEST, UPLOAD_LOST, uploadInput } from "../../tasks/upload";
import { FieldInput } from "./fields";

export interface InputImagesProps {
  field: Field;
  label: string;
  images: InputImage[];
  change: (edit: (images: InputImage[]) => InputImage[]) => void;
  /** Change one image, in the field that has it now. */
  edit: (id: string, part: Partial<InputImage>) => void;
  invalid: string | undefined;
}

/** The uploads in progress, by the id of the image. They are stopped when the key is forgotten. */
const uploads = new Map<string, AbortController>();

session.watch(() => {
  if (session.value.state !== "absent") return;
  for (const upload of uploads.values()) upload.abort();
});

export function InputImages(props: InputImagesProps) {
  const { field, label, images, change, edit, invalid } = props;
  const { playground: t } = useMessages();
  const [isOver, setOver] = useState(false);
  const most = field.most ?? Infinity;
  const isFull = images.length >= most;

  const start = async (image: InputImage) => {
    if (!image.file) return;
    const abort = new AbortController();
    uploads.set(image.id, abort);
    try {
      const progress = (part: number) => edit(image.id, { progress: part });
      const url = await uploadInput(image.file, progress, abort.signal);
      edit(image.id, { url, progress: 1 });
    } catch (error) {
      if (!abort.signal.aborted) edit(image.id, { error: messageOf(error, t.images) });
    } finally {
      uploads.delete(image.id);
    }
  };

  const addFiles = (files: Iterable<File>) => {
    const room = most - images.length;
    const added = [...files].slice(0, Math.max(0, room)).map((file) => chosen(file, t.images));
    change((all) => [...all, ...added]);
    for (const image of added) if (!image.error) void start(image);
  };

  const again = (image: InputImage) => {
    change((all) =>
      all.map((other) => {
        if (other.id !== image.id) return other;
        const { error: _, ...rest } = other;
        return { ...rest, progress: 0 };
      }),
    );
    void start(image);
  };

  const remove = (image: InputImage) => {
    uploads.get(image.id)?.abort();
    change((all) => all.filter((other) => other.id !== image.id));
  };

  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length && !isFull) addFiles(files);
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  });

  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    if (!isFull) addFiles(event.dataTransfer?.files ?? []);
  };

  const bounds = [
    field.least && images.length < field.least ? t.images.least(field.least) : "",
    Number.isFinite(most) ? t.images.most(most) : "",
  ].filter(Boolean);

  return (
    <fieldset class="images">
      <legend>
        {label} {bounds.length > 0 && <span class="muted">· {bounds.join(", ")}</span>}
      </legend>
      {images.length > 0 && (
        <ul class="thumbs">
          {images.map((image) => (
            <Thumb
              key={image.id}
              image={image}
              options={field.item ?? []}
              setOptions={(options) => edit(image.id, { options })}
              remove={remove}
              again={again}
            />
          ))}
        </ul>
      )}
      {!isFull && (
        <>
          <label
            class={`drop ${isOver ? "drop-target" : ""}`}
            onDragOver={(event) => {
              event.preventDefault();
              setOver(true);
            }}
            onDragLeave={() => setOver(false)}
            onDrop={drop}
          >
            <input
              type="file"
              class="visually-hidden"
              multiple={most > 1}
              accept={FORMATS.join(",")}
              onChange={(event) => {
                addFiles(event.currentTarget.files ?? []);
                event.currentTarget.value = "";
              }}
            />
            <span>{t.images.drop}</span>
            <span class="muted small">
              {t.images.limits(
                FORMATS.map((format) => format.replace("image/", "").toUpperCase()).join(", "),
                Math.floor(LARGEST / 1024 / 1024),
              )}
            </span>
          </label>
          <AddByUrl add={(url) => change((all) => [...all, imageAt(url)])} />
        </>
      )}
      {images.length > most && (
        <p class="field-error" role="alert">
          {t.images.tooMany(most)}
        </p>
      )}
      {invalid && (
        <p class="field-error" role="alert">
          {invalid}
        </p>
      )}
    </fieldset>
  );
}

type Texts = ReturnType<typeof useMessages>["playground"]["images"];

function chosen(file: File, t: Texts): InputImage {
  const image: InputImage = { id: newId(), name: file.name, url: "", progress: 0, options: {} };
  if (!FORMATS.includes(file.type)) return { ...image, error: t.wrongFormat };
  if (file.size > LARGEST) return { ...image, error: t.tooLarge };
  return { ...image, file };
}

function messageOf(error: unknown, t: Texts): string {
  if (error instanceof ApiError && error.type === UPLOAD_LOST) {
    return `${t.failed} ${t.failedHint}`;
  }
  return error instanceof ApiError && !error.isOffline ? error.message : t.failed;
}

interface ThumbProps {
  image: InputImage;
  /** The options that each image may have. */
  options: Field[];
  setOptions: (options: Values) => void;
  remove: (image: InputImage) => void;
  again: (image: InputImage) => void;
}

function Thumb({ image, options, setOptions, remove, again }: ThumbProps) {
  const { playground: t } = useMessages();
  const preview = useFileUrl(image.file);
  const isUploading = !image.url && !image.error && image.file !== undefined;
  const mayRetry = image.error !== undefined && image.file !== undefined;
  return (
    <li class={`thumb ${image.error ? "thumb-failed" : ""}`}>
      {preview ? (
        <img src={preview} alt="" />
      ) : (
        <span class="thumb-none" aria-hidden="true">
          {image.name.split(".").pop()?.slice(0, 4)}
        </span>
      )}
      <span class="thumb-text">
        <span class="thumb-name" title={image.url || image.name}>
          {image.name}
        </span>
        {isUploading && (
          <progress value={image.progress} max={1} aria-label={t.images.progress(image.name)} />
        )}
        {image.error && (
          <span class="field-error" role="alert">
            {image.error}
          </span>
        )}
        {mayRetry && (
          <button type="button" class="quiet" onClick={() => again(image)}>
            {t.images.retry}
          </button>
        )}
      </span>
      <button
        type="button"
        class="quiet"
        aria-label={t.images.remove(image.name)}
        onClick={() => remove(image)}
      >
        ✕
      </button>
      {options.length > 0 && !image.error && (
        <Options image={image} options={options} change={setOptions} />
      )}
    </li>
  );
}

interface OptionsProps {
  image: InputImage;
  options: Field[];
  change: (options: Values) => void;
}

/** The options of one image, such as its role. */
function Options({ image, options, change }: OptionsProps) {
  const { playground: t } = useMessages();
  const set = options.filter(({ path }) => textOf(image.options, path)).length;
  return (
    <details class="thumb-options">
      <summary>
        {t.images.options} <span class="visually-hidden">{image.name}</span>
        {set > 0 && <span class="badge">{t.moreSet(set)}</span>}
      </summary>
      <div class="more-fields" role="group" aria-label={image.name}>
        {options.map((option) => (
          <FieldInput
            key={option.path}
            field={option}
            value={textOf(image.options, option.path)}
            change={(value) => change({ ...image.options, [option.path]: value })}
            invalid={undefined}
            isDescribed
          />
        ))}
      </div>
    </details>
  );
}

function AddByUrl({ add }: { add: (url: string) => void }) {
  const { playground: t } = useMessages();
  const field = useRef<HTMLInputElement>(null);
  const submit = () => {
    const url = field.current?.value.trim() ?? "";
    if (!/^(https?|cos):\/\/[^/]/.test(url) || !field.current) return;
    add(url);
    field.current.value = "";
  };
  return (
    <div class="add-url">
      <input
        ref={field}
        type="text"
        inputMode="url"
        aria-label={t.images.url}
        placeholder="https://… cos://…"
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          submit();
        }}
      />
      <button type="button" onClick={submit}>
        {t.images.add}
      </button>
    </div>
  );
}
