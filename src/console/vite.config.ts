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
    // The layout of the chart takes most of the build, and is meant to.
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: {
    proxy: {
      "/v1": { target: gateway, ws: true },
      "/dev": gateway,
    },
  },
});
