import { preview } from "vite";

export const PORT = 4273;

/** Serves the test build while the flows run. */
export default async function serve(): Promise<() => Promise<void>> {
  const server = await preview({
    build: { outDir: "dist-test" },
    preview: { port: PORT, strictPort: true, host: "127.0.0.1" },
    logLevel: "error",
  });
  return () => server.close();
}
