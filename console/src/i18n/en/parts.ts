import type { Schemas } from "../../api";

type State = Schemas["JobSummary"]["state"];

const states: Record<State, string> = {
  queued: "waiting",
  submitting: "being sent",
  running: "running",
  storing: "being stored",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
};

export const parts = {
  loading: "Loading…",
  states,
  error: {
    title: "This did not work",
    offline: "The API did not answer.",
    field: "Field",
    request: "Request",
    retry: "Try again",
  },
  download: "Download",
  downloadFailed: "The image could not be loaded:",
  copy: "Copy",
  copied: "Copied",
  imageFailed: "The image cannot be shown.",
};
