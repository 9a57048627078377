import { defineConfig } from "vitest/config";

const pictures = process.env["SCREENS"] === "1";

export default defineConfig({
  test: {
    include: [pictures ? "tests/browser/**/*.pictures.ts" : "tests/browser/**/*.flow.ts"],
    globalSetup: ["tests/browser/serve.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // One browser, two cores.
    fileParallelism: false,
  },
});
