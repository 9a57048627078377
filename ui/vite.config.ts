import { fileURLToPath } from "node:url";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const forDevelopment = process.env["VITE_DEV_WS"] === "1";

/** The same policy as the window's, so that what would fail there fails in a browser too. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  `connect-src 'self' ipc: http://ipc.localhost${forDevelopment ? " ws://127.0.0.1:*" : ""}`,
  "base-uri 'none'",
  "form-action 'none'",
  "object-src 'none'",
].join("; ");

/** Only in what is built: the development server needs inline styles for its updates. */
function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: policy }, injectTo: "head-prepend" },
    ],
  };
}

export default defineConfig({
  plugins: [svelte(), contentSecurityPolicy()],
  // Relative, because the window serves from a scheme of its own.
  base: "./",
  define: {
    __APP_VERSION__: JSON.stringify(process.env["npm_package_version"] ?? "0.0.0"),
    // Known when it is built, so that a shipped build holds neither the fake nor the development socket.
    __FAKE__: JSON.stringify(process.env["VITE_FAKE"] === "1"),
    __DEV_WS__: JSON.stringify(forDevelopment),
  },
  resolve: { alias: { $api: here("../crates/hearth-api/bindings/api.ts"), $messages: here("messages/en.json") } },
  build: { target: ["es2023", "safari17.5", "chrome120"], assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { fs: { allow: [here("."), here("../crates/hearth-api/bindings")] } },
});
