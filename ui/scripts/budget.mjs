// Fails when what is shipped has grown too large, or holds what only tests and development need.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const MOST_BYTES = 180_000;
const FOREIGN = ["hearthFake", "new WebSocket"];

const folder = new URL("../dist/assets/", import.meta.url);
const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
const texts = scripts.map((name) => readFileSync(new URL(name, folder), "utf8"));
const bytes = texts.reduce((sum, text) => sum + gzipSync(text).length, 0);
console.log(`JavaScript: ${bytes} bytes after gzip, of ${MOST_BYTES} allowed`);
const found = FOREIGN.filter((mark) => texts.some((text) => text.includes(mark)));
if (found.length > 0) console.error(`what is shipped holds ${found.join(", ")}`);
process.exit(scripts.length === 0 || bytes > MOST_BYTES || found.length > 0 ? 1 : 0);
