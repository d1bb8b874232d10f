// The call of the form as code: the key is a variable, never its value.
import { useState } from "preact/hooks";
import { urlOf } from "../../api";
import { useMessages } from "../../i18n";
import { CopyButton } from "../../parts/copy";
import type { Task } from "../../tasks/form";

const LANGUAGES = ["curl", "Python", "JavaScript"] as const;
type Language = (typeof LANGUAGES)[number];

export function CodeOfCall({ endpoint, task }: { endpoint: string; task: Task }) {
  const { playground: t } = useMessages();
  const [language, setLanguage] = useState<Language>("curl");
  const code = WRITERS[language](endpoint, task);
  const gateway = urlOf("/").href.replace(/\/$/, "");
  return (
    <details class="code card">
      <summary>{t.code.title}</summary>
      <div class="code-bar">
        <div class="segments" role="group" aria-label={t.code.title}>
          {LANGUAGES.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === language}
              onClick={() => setLanguage(name)}
            >
              {name}
            </button>
          ))}
        </div>
        <CopyButton text={code} />
      </div>
      <p class="muted small">
        {t.code.about} <code>export GATEWAY={gateway} API_KEY=…</code>
      </p>
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
    </details>
  );
}

const WRITERS: Record<Language, (endpoint: string, task: Task) => string> = {
  curl: (endpoint, task) => `curl -X POST "$GATEWAY${endpoint}" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '${JSON.stringify(task, null, 2).replaceAll("'", "'\\''")}'
`,
  Python: (endpoint, task) => `import os
import time

import requests

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['API_KEY']}"

submitted = session.post(
    f"{os.environ['GATEWAY']}${endpoint}",
    json=${python(task, 1)},
    timeout=60,
)
submitted.raise_for_status()

while session.get(submitted.json()["status_url"], timeout=60).status_code == 202:
    time.sleep(2)

result = session.get(submitted.json()["response_url"], timeout=60)
result.raise_for_status()
for image in result.json()["images"]:
    print(image["url"])
`,
  JavaScript: (endpoint, task) => `const { GATEWAY, API_KEY } = process.env;
const headers = { Authorization: \`Bearer \${API_KEY}\`, "Content-Type": "application/json" };

const submitted = await fetch(\`\${GATEWAY}${endpoint}\`, {
  method: "POST",
  headers,
  body: JSON.stringify(${JSON.stringify(task, null, 2).replaceAll("\n", "\n  ")}),
});
if (!submitted.ok) throw new Error(await submitted.text());
const { status_url, response_url } = await submitted.json();

while ((await fetch(status_url, { headers })).status === 202) {
  await new Promise((resolve) => setTimeout(resolve, 2000));
}

const { images } = await (await fetch(response_url, { headers })).json();
for (const image of images) console.log(image.url);
`,
};

/** Write a JSON value in Python. */
function python(value: unknown, depth: number): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (typeof value !== "object") return JSON.stringify(value);
  const space = "    ".repeat(depth + 1);
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item) => space + python(item, depth + 1))
    : Object.entries(value).map(
        ([name, item]) => `${space}${JSON.stringify(name)}: ${python(item, depth + 1)}`,
      );
  const [open, close] = isList ? "[]" : "{}";
  return parts.length ? `${open}\n${parts.join(",\n")},\n${"    ".repeat(depth)}${close}` : open! + close!;
}
