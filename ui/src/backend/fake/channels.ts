import type { ChannelsReply, ChannelTarget, ChannelView, Severity, Telling } from "$api";

import { Failure } from "../backend";

/** The alert channels of a fake node. What holds `nowhere` does not arrive. */
export class FakeChannels {
  #channels: ChannelView[] = [];
  readonly #deaf = new Set<number>();

  constructor(
    readonly telling: Telling,
    readonly now: () => number,
  ) {}

  show(): ChannelsReply {
    return { channels: this.#channels.map((channel) => ({ ...channel })), telling: { ...this.telling } };
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

  tell(change: Partial<Telling>): ChannelsReply {
    Object.assign(this.telling, change);
    return this.show();
  }

  mute(kind: string, muted: boolean): ChannelsReply {
    const others = this.telling.muted.filter((one) => one !== kind);
    return this.tell({ muted: muted ? [...others, kind].sort() : others });
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
