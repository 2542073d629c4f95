/** Builds the page into dist/console, where the gateway serves it at `/`. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { statechartPlugin } from "./statechart/plugin.ts";

const gateway = process.env["RUNCAST_URL"] ?? "http://127.0.0.1:7420";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/",
  plugins: [statechartPlugin()],
  build: {
    outDir: "../../dist/console",
    emptyOutDir: true,
    target: "es2024",
    modulePreload: { polyfill: false },
    // A data: URL would need a hole in the content security policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: {
        index: fileURLToPath(new URL("index.html", import.meta.url)),
        sw: fileURLToPath(new URL("worker/service-worker.ts", import.meta.url)),
      },
      // A worker keeps its name: the browser asks for it again and again.
      output: { entryFileNames: ({ name }) => (name === "sw" ? "[name].js" : "assets/[name]-[hash].js") },
      // The layout of the chart takes most of the build, and is meant to.
      checks: { pluginTimings: false },
    },
  },
  server: {
    proxy: {
      "/v1": { target: gateway, ws: true },
      "/dev": gateway,
    },
  },
});
