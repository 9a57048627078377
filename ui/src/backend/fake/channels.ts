import type { ChannelsReply, ChannelTarget, ChannelView, QuietHours, Severity } from "$api";

import { Failure } from "../backend";

/** The alert channels of a fake node. What holds `nowhere` does not arrive. */
export class FakeChannels {
  #channels: ChannelView[] = [];
  #quiet: QuietHours | null = null;
  readonly #deaf = new Set<number>();

  constructor(readonly now: () => number) {}

  show(): ChannelsReply {
    return { channels: this.#channels.map((channel) => ({ ...channel })), quiet: this.#quiet };
  }

  set(id: number | null, target: ChannelTarget | null, least: Severity): ChannelsReply {
    const known = this.#channels.find((channel) => channel.id === id);
    if (known !== undefined) known.least = least;
    else if (target !== null) {
      const next = Math.max(0, ...this.#channels.map((channel) => channel.id)) + 1;
      if (JSON.stringify(target).includes("nowhere")) this.#deaf.add(next);
      this.#channels.push({ id: next, kind: target.kind, goes_to: goesTo(target), least, last: null });
    }
    return this.show();
  }

  setQuiet(hours: QuietHours | null): ChannelsReply {
    this.#quiet = hours;
    return this.show();
  }

  remove(id: number): ChannelsReply {
    this.#channels = this.#channels.filter((channel) => channel.id !== id);
    return this.show();
  }

  test(id: number): ChannelsReply {
    const channel = this.#channels.find((one) => one.id === id);
    if (channel === undefined) return this.show();
    const error = this.#deaf.has(id) ? "its server answered 404: page not found" : null;
    channel.last = { at_ms: this.now(), error };
    if (error !== null) {
      throw new Failure({
        code: "not_delivered",
        message: "The message was not delivered.",
        stake: "Duties do not depend on it, but alerts will not reach you this way.",
        remedy: "Correct the channel; the details say what its server answered.",
        details: error,
      });
    }
    return this.show();
  }
}

function goesTo(target: ChannelTarget): string {
  switch (target.kind) {
    case "webhook":
      return `${new URL(target.url).origin}/…`;
    case "ntfy":
      return `${target.server}/…`;
    case "telegram":
      return target.chat;
    case "email":
      return target.to;
  }
}
