import {
  HEARTBEAT_MS,
  type AlertsRequest,
  type AlertsReply,
  type ClusterReply,
  type ClusterRequest,
  type DutiesRequest,
  type DutiesReply,
  type HistoryReply,
  type HistoryRequest,
  type NodeView,
  type ChangeSettingsRequest,
  type SettingsReply,
  type StopRequest,
  type StopReply,
  type DepositReply,
  type FormedCluster,
  type NewClusterReply,
} from "$api";

import type { Clock } from "../../lib/clock";
import { markOf } from "../../model/chain";
import type { AppShell, Backend, CommandName, News, ReplyTo, RequestOf } from "../backend";
import { Failure } from "../backend";
import { ownError } from "../errors";
import { difference } from "./difference";
import { history } from "./history";
import { ACTS, type Act } from "./scenarios";
import { FakeChannels } from "./channels";
import { find } from "./checks";
import { FakeForming } from "./forming";
import { FakeKeys } from "./keys";
import { FakeRecord } from "./slashing";
import { beacon, facts, friends, pubkeyOf, type FakeCluster, type World } from "./world";

type Handlers = { [C in CommandName]: (request: RequestOf<C>) => ReplyTo<C> };

/** A node that does what a scenario says. */
export class FakeBackend implements Backend {
  readonly app: AppShell;
  #hear: ((news: News) => void) | null = null;
  #sent: NodeView | null = null;
  readonly #records = new Map<string, FakeRecord>();
  readonly #keys = new Map<string, FakeKeys>();
  readonly #channels: FakeChannels;
  readonly #forming: FakeForming;
  readonly #asked = new Map<CommandName, number>();
  #atLogin = false;
  #demo = false;
  #go: ((to: string) => void) | null = null;

  constructor(
    readonly world: World,
    readonly clock: Clock,
  ) {
    this.#channels = new FakeChannels(world.telling, () => this.clock.now());
    this.#forming = new FakeForming(() => this.clock.now(), () => this.#form(), world.forming);
    this.app = {
      info: () => Promise.resolve({ version: "0.1.0", log: "/home/sam/.local/state/hearth/hearth.log", demo: this.#demo }),
      startNode: () => {
        this.act("return");
        return Promise.resolve();
      },
      quit: () => Promise.resolve(),
      choose: (wanted) => Promise.resolve(`/home/sam/${wanted.what === "new_file" ? wanted.name : "chosen"}`),
      startDemo: () => {
        this.#demo = true;
        this.world.clusters = [friends()];
        this.#publish();
        return Promise.resolve();
      },
      leaveDemo: () => {
        this.#demo = false;
        this.world.clusters = [];
        this.#publish();
        return Promise.resolve();
      },
      toggleOperator: (number) => {
        const away = this.world.clusters[0]?.awaySinceMs;
        if (away?.delete(number) === false) away.set(number, this.clock.now());
        this.#publish();
        return Promise.resolve();
      },
      onGo: (go) => {
        this.#go = go;
        return () => {
          this.#go = null;
        };
      },
      startsAtLogin: (wanted) => {
        this.#atLogin = wanted ?? this.#atLogin;
        return Promise.resolve(this.#atLogin);
      },
    };
  }

  readonly #handlers: Handlers = {
    status: () => this.world.view(this.clock.now()),
    duties: (request) => this.#duties(request),
    history: (request) => this.#history(request),
    cluster: (request) => this.#cluster(request),
    alerts: (request) => this.#alerts(request),
    checks: () => ({ checks: this.world.view(this.clock.now()).checks }),
    find_beacons: ({ urls }) => find(urls, this.world.beaconHere),
    settings: () => this.#settings(),
    change_settings: (request) => this.#change(request),
    channels: () => this.#channels.show(),
    set_channel: ({ id, target, least }) => this.#channels.set(id, target, least),
    set_quiet_hours: ({ hours }) => this.#channels.tell({ quiet: hours }),
    set_digest: ({ on }) => this.#channels.tell({ digest: on }),
    mute_kind: ({ kind, muted }) => {
      const reply = this.#channels.mute(kind, muted);
      this.#publish();
      return reply;
    },
    snooze: (request) => {
      this.world.snooze(request);
      this.#publish();
      return this.#alerts({ past: 0 });
    },
    remove_channel: ({ id }) => this.#channels.remove(id),
    test_channel: ({ id }) => this.#channels.test(id),
    keys: (request) => this.#keysOf(request.cluster).show(),
    back_up: (request) => this.#keysOf(request.cluster).backUp(request),
    practise_restore: (request) => this.#keysOf(request.cluster).practise(request),
    bring_back: ({ path }) => this.#arrive(path),
    move_in: ({ path }) => this.#arrive(path),
    deposit: ({ cluster }) => this.#deposit(cluster),
    forming: ({ code_of }) => this.#forming.show(code_of),
    plan_cluster: (request) => this.#forming.plan(request),
    read_invite: ({ link, file }) => this.#forming.read(file === null ? link : `hearth://join/1/${"hEaRtHpHQ1z8Ka2_".repeat(20)}`),
    prepare_record: ({ seat }) => this.#forming.prepare(seat.nickname),
    set_definition: (request) => this.#forming.define(request),
    save_invite: () => this.#forming.save(),
    take_seat: (request) => this.#forming.take(request),
    name_seat: (request) => this.#forming.name(request),
    reopen_seat: ({ seat }) => this.#forming.reopen(seat),
    agree: () => this.#forming.agree(),
    set_ready: ({ ready }) => this.#forming.ready(ready),
    begin_ceremony: () => this.#forming.begin(),
    leave_forming: ({ confirmed }) => this.#forming.leave(confirmed),
    slashing: (request) => this.#record(request.cluster).show(),
    slashing_export: (request) => this.#record(request.cluster).write(request),
    slashing_import: (request) => this.#record(request.cluster).add(request),
    stop: (request) => this.#stop(request),
  };

  async call<C extends CommandName>(command: C, request: RequestOf<C>): Promise<ReplyTo<C>> {
    if (this.world.answerMs > 0) {
      await new Promise<void>((done) => this.clock.after(this.world.answerMs, done));
    }
    this.#asked.set(command, this.asked(command) + 1);
    if (!this.world.connected) throw new Failure(ownError("not_running", null));
    if (this.world.failing) throw new Failure(failure);
    return this.#handlers[command](request);
  }

  follow(hear: (news: News) => void): () => void {
    this.#hear = hear;
    const stop = this.clock.every(HEARTBEAT_MS, () => {
      this.#publish();
    });
    queueMicrotask(() => {
      this.#begin();
    });
    return () => {
      stop();
      this.#hear = null;
    };
  }

  resync(): void {
    queueMicrotask(() => {
      this.#begin();
    });
  }

  /** How often it was asked for something. */
  asked(command: CommandName): number {
    return this.#asked.get(command) ?? 0;
  }

  /** Something happens. */
  act(act: Act): void {
    const before = this.world.connected;
    ACTS[act](this.world, this.clock.now());
    if (this.world.connected && !before) this.#begin();
    else if (this.world.connected) this.#publish();
    else this.#hear?.({ kind: "lost", error: ownError("connection_lost", null) });
  }

  /** A tray or a link wants the window elsewhere. */
  go(to: string): void {
    this.#go?.(to);
  }

  /** An update goes astray. */
  drop(): void {
    this.world.seq += 1;
    this.#sent = this.world.view(this.clock.now());
    this.#publish();
  }

  #begin(): void {
    if (!this.world.connected) {
      this.#hear?.({ kind: "lost", error: ownError("not_running", null) });
      return;
    }
    this.#sent = this.world.view(this.clock.now());
    this.#hear?.({ kind: "connected" });
    this.#hear?.({ kind: "event", event: { snapshot: this.#sent } });
  }

  #publish(): void {
    if (!this.world.connected || this.#sent === null) return;
    this.world.seq += 1;
    const now = this.world.view(this.clock.now());
    this.#hear?.({ kind: "event", event: { update: difference(this.#sent, now) } });
    this.#sent = now;
  }

  #settings(): SettingsReply {
    const { settings } = this.world;
    return { settings, file: "/home/sam/.local/share/hearth/settings.toml", restart_needed: this.world.restartNeeded };
  }

  #change({ beacon_nodes, nickname, time_servers, listen, peers, relays, metrics }: ChangeSettingsRequest): SettingsReply {
    const wrong = beacon_nodes?.find((url) => !/^https?:\/\/[^/]/.test(url));
    const noPort = [...(listen ?? []), metrics ?? ""].find((one) => one !== "" && !/^[\d.]+:\d+$/.test(one));
    if (wrong !== undefined || noPort !== undefined) throw new Failure(refused);
    const { world } = this;
    const before = world.settings;
    world.settings = {
      ...before,
      beacon_nodes: beacon_nodes ?? before.beacon_nodes,
      nickname: nickname ?? before.nickname,
      time_servers: time_servers ?? before.time_servers,
      listen: listen ?? before.listen,
      peers: peers ?? before.peers,
      relays: relays ?? before.relays,
      metrics: metrics === null ? before.metrics : metrics === "" ? null : metrics,
    };
    // Without a cluster there is nothing that a change could disturb.
    world.restartNeeded = world.clusters.length > 0;
    if (!world.restartNeeded) world.beacons = world.settings.beacon_nodes.map((url) => beacon(url, "Lighthouse/v8.0.1", 14));
    this.#publish();
    return this.#settings();
  }

  #record(id: string | null): FakeRecord {
    const epoch = Math.floor(Number(this.world.view(this.clock.now()).slot ?? 0) / 32);
    return kept(this.#records, id, () => new FakeRecord(this.#find(id)?.validators ?? [], epoch));
  }

  #arrive(path: string): NewClusterReply {
    if (path.includes("absent")) throw new Failure({ ...refused, code: "unreadable", message: "The file could not be read." });
    const came = friends();
    const waited = this.world.clusters.length === 0;
    if (waited) this.world.clusters = [came];
    this.#publish();
    const folder = "/home/sam/.local/share/hearth/clusters/5f3a9c1e";
    const validators = came.validators.length;
    return { folder, name: came.name, cluster: came.id, operator: 2, validators, warnings: [], restart_needed: !waited };
  }

  #deposit(id: string | null): DepositReply {
    const { validators } = this.#cluster({ cluster: id });
    const deposits = validators.map(({ pubkey, withdrawal_address }) => ({ pubkey, withdrawal_address, amount: "32000000000" }));
    const path = "/home/sam/.local/share/hearth/clusters/5f3a9c1e/deposit-data.json";
    const hash = "9d1f6e0d3b5a497f1e6c2d4b8a90e7f3c5d1b2a6e4987c0d5f3b1a2e6c4d808c";
    return { network: "hoodi", real_money: false, launchpad: "https://hoodi.launchpad.ethereum.org", files: [{ path, hash, deposits }] };
  }

  /** A cluster was formed here. */
  #form(): FormedCluster {
    const { cluster, restart_needed } = this.#arrive("");
    const validators = (this.#find(cluster)?.validators ?? []).map(pubkeyOf);
    return { cluster, validators, restart_needed };
  }

  #keysOf(id: string | null): FakeKeys {
    return kept(this.#keys, id, () => new FakeKeys(() => this.#find(id), () => this.clock.now()));
  }

  #history({ cluster, period }: HistoryRequest): HistoryReply {
    const nowMs = this.clock.now();
    const duties = this.world.duties(nowMs).filter((duty) => cluster === null || duty.cluster === cluster);
    const seats = (this.#find(cluster)?.seats ?? []).map(({ number }) => number);
    return history(duties, period, seats, nowMs);
  }

  #cluster({ cluster }: ClusterRequest): ClusterReply {
    const found = this.#find(cluster);
    if (found === undefined) throw new Failure({ ...failure, code: "not_ready" });
    return facts(found);
  }

  #find(cluster: string | null): FakeCluster | undefined {
    return this.world.clusters.find(({ id }) => cluster === null || id === cluster);
  }

  #duties({ cluster, validator, only_misses, before, limit }: DutiesRequest): DutiesReply {
    const wanted = this.world
      .duties(this.clock.now())
      .filter((duty) => before === null || BigInt(duty.slot) < BigInt(before))
      .filter((duty) => cluster === null || duty.cluster === cluster)
      .filter((duty) => validator === null || duty.validators.includes(validator))
      .filter((duty) => !only_misses || markOf(duty) === "missed");
    const most = Math.min(limit ?? 100, 500);
    return { duties: wanted.slice(0, most), more: wanted.length > most };
  }

  #alerts({ past }: AlertsRequest): AlertsReply {
    return { current: this.world.alerts, past: this.world.past.slice(0, past) };
  }

  #stop({ confirmed }: StopRequest): StopReply {
    const name = this.world.clusters[0]?.name ?? "Nothing";
    const others = (this.world.clusters[0]?.seats.length ?? 1) - 1 - (this.world.clusters[0]?.awaySinceMs.size ?? 0);
    const needed = this.world.clusters[0]?.needed ?? 0;
    const goesOn = others >= needed ? "goes on without this node" : "does not sign until this node is back";
    if (confirmed) {
      this.world.node = { kind: "stopping" };
      this.#publish();
      this.clock.after(8_000, () => {
        this.act("lose");
      });
    }
    return {
      stopping: confirmed,
      finishing: { slot: this.world.view(this.clock.now()).slot ?? "0", kind: "attester" },
      within_ms: 24_000,
      consequence: `${name} ${goesOn}: ${others} other operators are here, ${needed} are needed.`,
    };
  }
}

/** What is kept under a name; made when it is asked for first. */
function kept<T>(all: Map<string, T>, id: string | null, make: () => T): T {
  const found = all.get(id ?? "") ?? make();
  all.set(id ?? "", found);
  return found;
}

const refused = {
  code: "value_refused" as const,
  message: "This value cannot be used.",
  stake: "Nothing changed; the node goes on as before.",
  remedy: "Give an address such as http://127.0.0.1:5052.",
  details: null,
};

const failure = {
  code: "internal" as const,
  message: "Something in the node went wrong while it answered.",
  stake: "Signing does not depend on answering; `hearth status` says whether the node signs.",
  remedy: "Ask again. If it happens again, save the node's log and report it.",
  details: "duty store: disk I/O error",
};
