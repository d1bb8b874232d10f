export const shell = {
  skip: "Skip to the content",
  views: {
    playground: "Playground",
    gallery: "Gallery",
    jobs: "Jobs",
    usage: "Usage",
    uploads: "Uploads",
  },
  navigation: "Views",
  docs: "API docs",
  language: "中文",
  leave: "Forget the key",
  offline: "There is no connection to the API. What you entered is kept. The page continues when the API answers.",
  retry: "Try now",
  outdated: "This part of the page could not be loaded. A newer version may have been deployed.",
  reload: "Load the page again",
  key: {
    title: "Enter your API key",
    about:
      "This page uses the API as any client does. The key stays in this browser tab and is forgotten when the tab is closed.",
    label: "API key",
    submit: "Continue",
    checking: "Checking…",
    refused: "The API no longer accepts this key. Your work is kept: enter another key to continue.",
    wrong: "The API does not accept this key.",
    howto: "The owner of the service makes keys:",
  },
};
