// The hash of what the page is built from, so that a test can tell without npm
// whether what is embedded is current.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Plugin } from "vite";

export function sources(root: string, out: string): Plugin {
  const files = ["index.html", "package-lock.json", "package.json", "sources.ts", "tsconfig.json", "vite.config.ts", ...readdirSync(`${root}/src`).map((name) => `src/${name}`)];
  const hash = createHash("sha256");
  for (const name of files.sort()) hash.update(`${name}\n`).update(readFileSync(`${root}/${name}`));
  return { name: "sources", closeBundle: () => writeFileSync(`${out}/sources.sha256`, hash.digest("hex") + "\n") };
}
