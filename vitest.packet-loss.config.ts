/** `npm run packet-loss`: the suite that needs a network namespace of its own, in which the kernel drops packets. */
import { defineConfig } from "vitest/config";

const timeoutMs = 180_000;

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/packet-loss/*.suite.ts"],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    fileParallelism: false,
  },
});
