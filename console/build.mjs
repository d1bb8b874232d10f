// Bundles the console: one page, and assets whose names contain a hash of their content.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";

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
