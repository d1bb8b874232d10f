import type { jobs as en } from "../en/jobs";

export const jobs: typeof en = {
  empty: "暂无内容。",
};
