// Before and after: two images with a divider, or side by side if their shapes differ.
import { useState } from "preact/hooks";
import type { Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { ImageFrame } from "../../parts/image";
import type { ListedImage } from "./images";

/** Shapes that differ by less are shown over each other. */
const SAME_SHAPE = 0.04;

export interface CompareProps {
  image: Schemas["Image"];
  input: NonNullable<ListedImage["input"]>;
  alt: string;
  onError: () => void;
}

type Before = "loading" | "same" | "other" | "gone";

export function Compare({ image, input, alt, onError }: CompareProps) {
  const { gallery: t } = useMessages();
  const [before, setBefore] = useState<Before>("loading");
  const [at, setAt] = useState(50);
  const measure = (loaded: HTMLImageElement) => {
    const difference = Math.abs(loaded.naturalWidth / loaded.naturalHeight / (width / height) - 1);
    setBefore(difference < SAME_SHAPE ? "same" : "other");
  };
  const { url, width, height } = image;
  const after = (
    <ImageFrame src={url} alt={alt} width={width} height={height} onError={onError} />
  );
  if (before === "gone") return after;
  const first = (
    <img
      class="gallery-compare-before"
      src={input.url}
      alt={t.beforeOf}
      referrerpolicy="no-referrer"
      onLoad={(event) => measure(event.currentTarget)}
      onError={() => setBefore("gone")}
    />
  );
  if (before === "other") {
    return (
      <div class="gallery-compare-beside">
        <figure>
          {first}
          <figcaption>{t.before}</figcaption>
        </figure>
        <figure>
          {after}
          <figcaption>{t.after}</figcaption>
        </figure>
      </div>
    );
  }
  return (
    <div class={`gallery-compare gallery-compare-${before}`} style={{ "--at": `${at}%` }}>
      {after}
      {first}
      <span class="gallery-compare-label gallery-compare-label-before" aria-hidden="true">
        {t.before}
      </span>
      <span class="gallery-compare-label gallery-compare-label-after" aria-hidden="true">
        {t.after}
      </span>
      <span class="gallery-compare-line" aria-hidden="true" />
      <input
        type="range"
        min="0"
        max="100"
        value={at}
        aria-label={t.divider}
        aria-valuetext={`${t.before} ${at} %`}
        onInput={(event) => setAt(Number(event.currentTarget.value))}
      />
    </div>
  );
}
