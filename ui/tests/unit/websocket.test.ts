import { describe, expect, test } from "vitest";

import type { News } from "../../src/backend/backend";
import { HeldClock, START_MS } from "../../src/backend/fake/clocks";
import { World } from "../../src/backend/fake/world";
import { WebSocketBackend, type Socket } from "../../src/backend/websocket";

/** The node's side of a socket, played by hand. */
class Line {
  readonly said: unknown[] = [];
  readonly socket: Socket = {
    send: (text: unknown) => this.said.push(JSON.parse(String(text))),
    close: () => {
      this.end();
    },
    onopen: null,
    onmessage: null,
    onclose: null,
  };

  hear(message: unknown): void {
    (this.socket.onmessage as unknown as (event: { data: string }) => void)({ data: JSON.stringify(message) });
  }

  open(): void {
    (this.socket.onopen as unknown as () => void)();
    this.hear({ hello: { protocol: 1, build: "0.1.0", role: "node" } });
  }

  end(): void {
    (this.socket.onclose as unknown as () => void)();
  }
}

function connected(): { clock: HeldClock; lines: Line[]; news: News[]; backend: WebSocketBackend } {
  const [clock, lines, news] = [new HeldClock(), [] as Line[], [] as News[]];
  const open = (): Socket => {
    const line = new Line();
    lines.push(line);
    return line.socket;
  };
  const backend = new WebSocketBackend("ws://test", open, clock);
  backend.follow((one) => news.push(one));
  lines[0]?.open();
  return { clock, lines, news, backend };
}

describe("a connection", () => {
  test("says hello, subscribes, and passes on only what belongs to its latest subscription", () => {
    const { lines, news, backend } = connected();
    expect(lines[0]?.said).toEqual([
      { hello: { protocol: 1, build: expect.any(String) as string, role: "window" } },
      { subscribe: { id: 1 } },
    ]);
    backend.resync();
    const snapshot = new World().view(START_MS);
    lines[0]?.hear({ event: { id: 1, event: { snapshot } } });
    lines[0]?.hear({ event: { id: 2, event: { snapshot } } });
    expect(news.filter(({ kind }) => kind === "event")).toHaveLength(1);
  });

  test("brings each answer to its question, in whatever order they come", async () => {
    const { lines, backend } = connected();
    const [first, second] = [backend.call("stop", { confirmed: false }), backend.call("alerts", { past: 0 })];
    lines[0]?.hear({ reply: { id: 3, reply: "of alerts" } });
    lines[0]?.hear({ reply: { id: 2, reply: "of stop" } });
    await expect(Promise.all([first, second])).resolves.toEqual(["of stop", "of alerts"]);
  });

  test("that ends fails what waits, and is made again for ever, ever two seconds apart at most", async () => {
    const { clock, lines, news, backend } = connected();
    const waiting = backend.call("alerts", { past: 0 });
    lines[0]?.end();
    await expect(waiting).rejects.toMatchObject({ error: { code: "connection_lost" } });
    expect(news.at(-1)?.kind).toBe("lost");
    for (let again = 1; again < 20; again += 1) {
      clock.advance(2_000);
      expect(lines).toHaveLength(again + 1);
      lines.at(-1)?.end();
    }
  });

  test("that brings nonsense is closed", () => {
    const { lines, news } = connected();
    (lines[0]?.socket.onmessage as unknown as (event: { data: string }) => void)({ data: "{" });
    expect(news.at(-1)?.kind).toBe("lost");
  });
});
