import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig, mergeConfig } from "vitest/config";

import base from "./vite.config.ts";

export default mergeConfig(
  base,
  defineConfig({
    plugins: [svelteTesting()],
    // The fake is what the models are tested with.
    define: { __FAKE__: "true", __DEV_WS__: "true" },
    test: { environment: "happy-dom", include: ["src/**/*.test.ts", "tests/unit/**/*.test.ts"] },
  }),
);
