import type { parts as en } from "../en/parts";

export const parts: typeof en = {
  loading: "正在加载…",
  states: {
    queued: "等待中",
    submitting: "提交中",
    running: "运行中",
    storing: "转存中",
    succeeded: "成功",
    failed: "失败",
    cancelled: "已取消",
  },
  error: {
    title: "操作未成功",
    offline: "API 没有应答。",
    field: "字段",
    request: "请求",
    retry: "重试",
  },
  download: "下载",
  downloadFailed: "无法下载图片：",
  copy: "复制",
  copied: "已复制",
  imageFailed: "无法显示图片。",
};
