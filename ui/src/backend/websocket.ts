import { PROTOCOL, type ClientMessage, type ServerMessage } from "$api";

import { systemClock, type Clock } from "../lib/clock";
import type { Backend, CommandName, News, ReplyTo, RequestOf } from "./backend";
import { Failure } from "./backend";
import { ownError } from "./errors";

/** What this needs of a socket; a test gives another. */
export type Socket = Pick<WebSocket, "send" | "close" | "onopen" | "onmessage" | "onclose">;

type Waiting = { answer(reply: unknown): void; refuse(failure: Failure): void };

const CALL_MS = 10_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000;

/** The messages of the local socket, one a text frame. For development: a browser beside a node. */
export class WebSocketBackend implements Backend {
  readonly app = null;
  #socket: Socket | null = null;
  #ready = false;
  #hear: ((news: News) => void) | null = null;
  #nextId = 1;
  #subscription = 0;
  #retryMs = FIRST_RETRY_MS;
  #cancelRetry: (() => void) | null = null;
  readonly #waiting = new Map<number, Waiting>();

  constructor(
    readonly url: string,
    readonly open: (url: string) => Socket = (url) => new WebSocket(url),
    readonly clock: Clock = systemClock,
  ) {}

  call<C extends CommandName>(command: C, request: RequestOf<C>): Promise<ReplyTo<C>> {
    if (!this.#ready) return Promise.reject(new Failure(ownError("not_running", null)));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(CALL_MS, () => {
        this.#waiting.delete(id);
        reject(new Failure(ownError("connection_lost", `no answer to ${command}`)));
      });
      this.#waiting.set(id, {
        answer: (reply) => {
          cancel();
          resolve(reply as ReplyTo<C>);
        },
        refuse: (failure) => {
          cancel();
          reject(failure);
        },
      });
      this.#send({ call: { id, command, request } });
    });
  }

  follow(hear: (news: News) => void): () => void {
    this.#hear = hear;
    this.#connect();
    return () => {
      this.#hear = null;
      this.#cancelRetry?.();
      this.#socket?.close();
    };
  }

  resync(): void {
    if (!this.#ready) return;
    this.#subscription = this.#nextId++;
    this.#send({ subscribe: { id: this.#subscription } });
  }

  #connect(): void {
    const socket = this.open(this.url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#send({ hello: { protocol: PROTOCOL, build: __APP_VERSION__, role: "window" } });
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      this.#read(data);
    };
    socket.onclose = () => {
      this.#closed();
    };
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #read(data: unknown): void {
    let message: ServerMessage;
    try {
      message = JSON.parse(String(data)) as ServerMessage;
    } catch {
      this.#socket?.close();
      return;
    }
    if ("hello" in message) {
      this.#ready = true;
      this.#retryMs = FIRST_RETRY_MS;
      this.#hear?.({ kind: "connected" });
      this.resync();
    } else if ("reply" in message) {
      this.#take(message.reply.id)?.answer(message.reply.reply);
    } else if ("failed" in message) {
      const { id, error } = message.failed;
      if (id === null) this.#hear?.({ kind: "lost", error });
      else this.#take(id)?.refuse(new Failure(error));
    } else if (message.event.id === this.#subscription) {
      this.#hear?.({ kind: "event", event: message.event.event });
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #closed(): void {
    const error = this.#ready ? ownError("connection_lost", null) : ownError("not_running", null);
    this.#ready = false;
    for (const waiting of this.#waiting.values()) waiting.refuse(new Failure(error));
    this.#waiting.clear();
    this.#hear?.({ kind: "lost", error });
    if (this.#hear === null) return;
    // For ever: a node that comes back is found without a click.
    this.#cancelRetry = this.clock.after(this.#retryMs, () => {
      this.#connect();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
  }
}
