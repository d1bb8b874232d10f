import type { uploads as en } from "../en/uploads";

export const uploads: typeof en = {
  empty: "暂无内容。",
};
