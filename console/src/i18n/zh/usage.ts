import type { usage as en } from "../en/usage";

export const usage: typeof en = {
  empty: "暂无内容。",
};
