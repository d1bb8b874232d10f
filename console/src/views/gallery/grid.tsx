// The grid of previews: links that the arrow keys move between.
import { useState } from "preact/hooks";
import { useMessages } from "../../i18n";
import { ImageFrame } from "../../parts/image";
import { useLocale } from "../../parts/values";
import { hrefOf } from "../../router";
import { Store, useStore } from "../../store";
import { type Filters, idOf, type ListedImage } from "./images";

/** Whether previews failed although the images could be read: the bucket makes none. */
const hasPreviews = new Store(true);

export interface GridProps {
  images: ListedImage[];
  filters: Filters;
  open: (image: string) => void;
  renew: (image: ListedImage) => void;
}

export function Grid({ images, filters, open, renew }: GridProps) {
  const choose = (event: MouseEvent, image: ListedImage) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab or window
    event.preventDefault();
    open(idOf(image));
  };
  return (
    <ul class="gallery-grid" onKeyDown={moveFocus}>
      {images.map((image) => (
        <li key={idOf(image)}>
          <a
            class="gallery-item"
            id={`image-${idOf(image)}`}
            href={hrefOf("gallery", { ...filters, image: idOf(image) })}
            onClick={(event) => choose(event, image)}
          >
            <Preview image={image} renew={() => renew(image)} />
            <span class="gallery-grid-caption" aria-hidden="true">
              <span class="gallery-grid-prompt">{image.prompt || image.file_name}</span>
              <span class="gallery-grid-facts">
                <Moment at={image.ended_at} /> · {image.model}
              </span>
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}

/** A moment as a short text: the time if it is today, the day otherwise. */
function Moment({ at }: { at: string }) {
  const locale = useLocale();
  const date = new Date(at);
  const now = new Date();
  const isToday = date.toDateString() === now.toDateString();
  const day: Intl.DateTimeFormatOptions = { month: "short", day: "numeric" };
  if (date.getFullYear() !== now.getFullYear()) day.year = "numeric";
  return (
    <time dateTime={at}>
      {isToday
        ? date.toLocaleTimeString(locale, { timeStyle: "short" })
        : date.toLocaleDateString(locale, day)}
    </time>
  );
}

/** The preview of an image; the image itself if the preview fails. */
function Preview({ image, renew }: { image: ListedImage; renew: () => void }) {
  const { gallery: t } = useMessages();
  const hasPreview = useStore(hasPreviews) && image.preview_url !== image.url;
  const [broken, setBroken] = useState("");
  const isBroken = broken === image.preview_url;
  const isWhole = isBroken || !hasPreview;
  const fail = () => {
    renew();
    if (!isWhole) setBroken(image.preview_url);
  };
  return (
    <ImageFrame
      lazy
      src={isWhole ? image.url : image.preview_url}
      alt={image.prompt || t.noPrompt}
      width={image.width}
      height={image.height}
      onLoad={() => isBroken && hasPreviews.set(false)}
      onError={fail}
    />
  );
}

function moveFocus(event: KeyboardEvent): void {
  const list = event.currentTarget as HTMLElement;
  const links = [...list.querySelectorAll<HTMLElement>(".gallery-item")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  const target = links[at + stepOf(event.key, links)];
  if (!target || target === links[at]) return;
  event.preventDefault();
  target.focus();
}

function stepOf(key: string, links: HTMLElement[]): number {
  const top = links[0]?.getBoundingClientRect().top;
  const inRow = links.findIndex((link) => link.getBoundingClientRect().top !== top);
  const columns = inRow < 0 ? links.length : inRow;
  const steps: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
  };
  return steps[key] ?? 0;
}
