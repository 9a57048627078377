// For development and tests: lets a browser on this computer speak with a node, whose local socket a browser cannot open.
//
//     node scripts/bridge.mjs DATA_DIR [PORT]
//
// Each text frame becomes one message of the socket (4 bytes length, big endian, then JSON), and the other way round. It
// listens on 127.0.0.1 only and takes only pages of this computer. Whoever runs it gives every such page what the window may
// do; never run it beside a node that holds real keys.
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";

const [folder, port = "4280"] = process.argv.slice(2);
if (folder === undefined) {
  console.error("node scripts/bridge.mjs DATA_DIR [PORT]");
  process.exit(2);
}
const MOST_BYTES = 1 << 20;
// As hearth-api's place.rs has it. A folder with a longer name has its socket elsewhere: use one with a short name.
const place = join(realpathSync(folder), "run", "hearth.sock");

const server = createServer((_, response) => response.writeHead(426).end());
server.on("upgrade", (request, browser) => {
  const { origin = "" } = request.headers;
  const key = request.headers["sec-websocket-key"];
  if (key === undefined || !/^http:\/\/(127\.0\.0\.1|localhost)(:\d+)?$/.test(origin)) return browser.destroy();
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  browser.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const node = connect(place);
  const end = () => {
    node.destroy();
    browser.destroy();
  };
  for (const side of [node, browser]) side.on("error", end).on("close", end);
  let fromNode = Buffer.alloc(0);
  node.on("data", (bytes) => {
    fromNode = Buffer.concat([fromNode, bytes]);
    while (fromNode.length >= 4 && fromNode.length >= 4 + fromNode.readUInt32BE(0)) {
      const length = fromNode.readUInt32BE(0);
      browser.write(frame(fromNode.subarray(4, 4 + length)));
      fromNode = fromNode.subarray(4 + length);
    }
  });
  let fromBrowser = Buffer.alloc(0);
  browser.on("data", (bytes) => {
    fromBrowser = Buffer.concat([fromBrowser, bytes]);
    for (;;) {
      const read = unframe(fromBrowser);
      if (read === null) return;
      if (read.code !== 1 || read.text.length > MOST_BYTES) return end();
      const head = Buffer.alloc(4);
      head.writeUInt32BE(read.text.length);
      node.write(Buffer.concat([head, read.text]));
      fromBrowser = fromBrowser.subarray(read.length);
    }
  });
});
server.listen(Number(port), "127.0.0.1", () => console.log(`ws://127.0.0.1:${port} speaks with the node of ${folder}`));

/** A text frame, whole (RFC 6455, 5.2). */
function frame(text) {
  const short = text.length < 126;
  const head = Buffer.alloc(short ? 2 : text.length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  if (short) head[1] = text.length;
  else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(text.length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(text.length), 2);
  }
  return Buffer.concat([head, text]);
}

/** The first frame of a browser, which masks what it sends; `null` while it is not whole. */
function unframe(bytes) {
  if (bytes.length < 6) return null;
  const short = bytes[1] & 0x7f;
  const at = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < at + 4) return null;
  const size = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < at + 4 + size) return null;
  const text = Buffer.from(bytes.subarray(at + 4, at + 4 + size));
  for (let index = 0; index < size; index += 1) text[index] ^= bytes[at + (index % 4)];
  return { code: bytes[0] & 0x0f, text, length: at + 4 + size };
}
