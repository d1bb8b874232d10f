// An image of a bucket, in a frame that keeps its place while it loads.
import { useState } from "preact/hooks";
import { useMessages } from "../i18n";

export interface ImageFrameProps {
  src: string;
  alt: string;
  width?: number | undefined;
  height?: number | undefined;
  /** Load it only when it comes near the visible part of the page. */
  lazy?: boolean;
  onLoad?: () => void;
  onError?: () => void;
}

export function ImageFrame(props: ImageFrameProps) {
  const { src, alt, width, height, lazy = false, onLoad, onError } = props;
  const { parts: t } = useMessages();
  const [state, setState] = useState({ src, is: "loading" });
  const is = state.src === src ? state.is : "loading";
  if (is === "failed") return <div class="frame frame-failed">{t.imageFailed}</div>;
  const size = width && height ? { width, height } : {};
  return (
    <div class={`frame frame-${is}`}>
      <img
        {...size}
        src={src}
        alt={alt}
        loading={lazy ? "lazy" : "eager"}
        decoding="async"
        referrerpolicy="no-referrer"
        onLoad={() => {
          setState({ src, is: "ready" });
          onLoad?.();
        }}
        onError={() => {
          setState({ src, is: "failed" });
          onError?.();
        }}
      />
    </div>
  );
}
