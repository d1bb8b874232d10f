// Icons of the navigation, drawn in the colour of the text.
import type { View } from "../router";

const PATHS: Record<View, string> = {
  playground: "M4 20l1-4L15.5 5.5a2.1 2.1 0 0 1 3 3L8 19l-4 1zM13.5 7.5l3 3",
  gallery: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  jobs: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  usage: "M5 20V10M12 20V4M19 20v-7",
  uploads: "M12 16V5M7 9l5-5 5 5M4 15v4h16v-4",
};

export function Icon({ name }: { name: View }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
