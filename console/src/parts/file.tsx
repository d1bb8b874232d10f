// Files that were chosen in this page, shown without being sent anywhere.
import { useEffect, useState } from "preact/hooks";
import { ImageFrame } from "./image";

/** Return a URL of a file, which is valid while the component is shown; empty at first. */
export function useFileUrl(file: File | undefined): string {
  const [url, setUrl] = useState("");
  useEffect(() => {
    if (!file) return;
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return file ? url : "";
}

export function FileFrame({ file, alt }: { file: File; alt: string }) {
  const url = useFileUrl(file);
  return url ? <ImageFrame src={url} alt={alt} /> : null;
}
