import type { gallery as en } from "../en/gallery";

export const gallery: typeof en = {
  empty: "暂无内容。",
};
