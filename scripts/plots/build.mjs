// Bundle the plotting library into one file that the package carries, with the licences of all that is in it.

import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const TARGET = new URL("../../src/splitleaf/web/dashboard/vendor/", import.meta.url);

const result = await build({
  entryPoints: ["entry.js"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "ascii",
  legalComments: "none", // all licences are in the file beside it
  metafile: true,
  write: false,
});

const packages = new Set();
for (const path of Object.keys(result.metafile.inputs)) {
  const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
  if (found) packages.add(found[1]);
}
const facts = [...packages].sort().map((name) => {
  const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  return { name, version, license };
});

const named = (name) => facts.find((one) => one.name === name).version;
const banner =
  `/* Observable Plot ${named("@observablehq/plot")} with what it needs of D3; made by scripts/plots, ` +
  `licences in plot-licences.txt. */\n`;
writeFileSync(new URL("plot.js", TARGET), banner + result.outputFiles[0].text);

const texts = facts.map(({ name, version, license }) => {
  const text = readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim();
  return `${name} ${version} (${license})\n\n${text}\n`;
});
writeFileSync(new URL("plot-licences.txt", TARGET), texts.join(`\n${"-".repeat(72)}\n\n`));
console.log(facts.map(({ name, version }) => `${name} ${version}`).join("\n"));
