import type { shell as en } from "../en/shell";

export const shell: typeof en = {
  skip: "跳到主要内容",
  views: {
    playground: "试用",
    gallery: "图库",
    jobs: "作业",
    usage: "用量",
    uploads: "上传",
  },
  navigation: "页面",
  docs: "API 文档",
  language: "English",
  leave: "清除密钥",
  offline: "无法连接到 API。已填写的内容会保留，连接恢复后页面会自动继续。",
  retry: "立即重试",
  outdated: "无法加载页面的这一部分，可能已部署了新版本。",
  reload: "重新加载页面",
  key: {
    title: "输入 API 密钥",
    about: "本页面和其他客户端一样使用公开的 API。密钥只保存在当前标签页，关闭标签页即清除。",
    label: "API 密钥",
    submit: "继续",
    checking: "正在检查…",
    refused: "API 不再接受此密钥。已填写的内容会保留：输入另一个密钥即可继续。",
    wrong: "API 不接受此密钥。",
    howto: "密钥由服务的管理员创建：",
  },
};
