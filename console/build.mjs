// Bundles the console: one page, and assets whose names contain a hash of their content.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";

/** The bodies of the calls that submit tasks, by path, with the schemas that they refer to. */
const taskSchemas = {
  name: "task-schemas",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^aigc:schemas$/ }, () => ({ path: "schemas", namespace: "aigc" }));
    onLoad({ filter: /./, namespace: "aigc" }, async () => {
      const { paths, components } = JSON.parse(await readFile("generated/openapi.json", "utf8"));
      const submits = Object.entries(paths).filter(([, path]) =>
        path.post?.operationId.startsWith("submit_"),
      );
      const bodies = submits.map(([path, { post }]) => [
        path,
        post.requestBody.content["application/json"].schema,
      ]);
      const needed = { UploadRequest: components.schemas.UploadRequest };
      const follow = (value) => {
        for (const [, name] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
          if (name in needed) continue;
          needed[name] = components.schemas[name];
          follow(needed[name]);
        }
      };
      follow(bodies);
      const examples = submits.map(([path, { post }]) => {
        const [example] = Object.values(post.requestBody.content["application/json"].examples);
        return [path, example.value];
      });
      const contents = {
        tasks: Object.fromEntries(bodies),
        examples: Object.fromEntries(examples),
        schemas: needed,
      };
      return { contents: JSON.stringify(contents), loader: "json" };
    });
  },
};

/** Texts of the OpenAPI document in Chinese: a part of its own, which only Chinese pages load. */
const chineseTexts = {
  name: "chinese-texts",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^aigc:zh-CN$/ }, () => ({ path: "zh-CN", namespace: "aigc-texts" }));
    onLoad({ filter: /./, namespace: "aigc-texts" }, async () => ({
      contents: await readFile("generated/zh-CN.json", "utf8"),
      loader: "json",
    }));
  },
};

const { metafile } = await build({
  entryPoints: ["src/main.tsx", "src/style.css", "src/icon.svg"],
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  minify: true,
  metafile: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".svg": "copy" },
  plugins: [taskSchemas, chineseTexts],
  legalComments: "none",
  logLevel: "error",
  preserveSymlinks: true, // names and order then do not depend on where the packages lie
});

const built = Object.entries(metafile.outputs);
const nameOf = (entry) => basename(built.find(([, output]) => output.entryPoint === entry)[0]);
const template = await readFile("src/index.html", "utf8");
const page = template.replace(/%(src\/[\w.]+)%/g, (_, entry) => `console/assets/${nameOf(entry)}`);
await mkdir("dist", { recursive: true });
await writeFile("dist/index.html", page);
