import { defineConfig } from "vite";
import { sources } from "./sources";

const root = import.meta.dirname;

// The page is built into ../page, which the binary embeds. Names have no hash of
// what is in them, so that a change of the sources shows as a change of the same
// files; the server sends an ETag.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [sources(root, root + "/../page")],
  build: {
    outDir: "../page",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      output: { entryFileNames: "console.js", chunkFileNames: "[name].js", assetFileNames: "[name][extname]" },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:9900", "/prometheus": "http://127.0.0.1:9900", "/alertmanager": "http://127.0.0.1:9900" } },
});
