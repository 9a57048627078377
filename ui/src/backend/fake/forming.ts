import type {
  ClusterPlan,
  FormedCluster,
  Forming,
  FormingSeat,
  FormingStage,
  InviteReply,
  LinkCode,
  NameSeatRequest,
  PlanClusterRequest,
  SeatCheck,
  SetDefinitionRequest,
  TakeSeatRequest,
  UiError,
} from "$api";

import { Failure } from "../backend";

/** How a fake gathering begins. */
export type FormingStart = {
  organiser: boolean;
  stage: FormingStage;
  /** Whether nothing moves by itself. */
  held: boolean;
  /** The step of a ceremony that is held. */
  step?: number;
  trouble?: string;
};

const FRIENDS = ["Sam", "Maya", "Priya", "Tomás"];
const WORDS = ["anvil", "harbour", "lantern", "meadow", "quilt", "saffron"];
const HASH = "0x8c1f2f6e0d3b5a497f1e6c2d4b8a90e7f3c5d1b2a6e4987c0d5f3b1a2e6c4d80";
/** Between two things that the others do. */
const BEAT_MS = 2_000;
const STEP_MS = 1_000;

/** The plan that everybody is invited to here. */
export const PLAN: ClusterPlan = {
  name: "Sunday hearth",
  network: "hoodi",
  network_known: true,
  real_money: false,
  operators: 4,
  threshold: 3,
  validators: 1,
  withdrawal_address: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
  fee_recipient: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
  compounding: false,
};

type Seat = { nickname: string; taken: boolean; agreed: boolean; ready: boolean; named: boolean; link: number };

/** A gathering whose other operators do what is due, a moment later. */
export class FakeForming {
  #plan: ClusterPlan | null = null;
  #me = 1;
  #record: string | null = null;
  #seats: Seat[] = [];
  #begun: number | null = null;
  #trouble: string | null = null;
  #refused = false;
  #formed: FormedCluster | null = null;
  #held = false;
  #heldStep: number | null = null;
  #next: number;

  constructor(
    readonly now: () => number,
    readonly arrive: () => FormedCluster,
    start: FormingStart | null,
  ) {
    this.#next = now();
    if (start !== null) this.#start(start);
  }

  show(codeOf: number | null): { forming: Forming | null } {
    if (!this.#held) this.#live();
    return { forming: this.#plan === null ? null : this.#view(this.#plan, codeOf) };
  }

  plan(request: PlanClusterRequest): { forming: Forming | null } {
    if (!/^0x[0-9a-fA-F]{40}$/.test(request.withdrawal_address)) {
      throw refusal("Copy the withdrawal address again: 0x and 40 digits, its capital letters as your wallet shows them.");
    }
    const operators = request.operators;
    const threshold = request.threshold ?? Math.ceil((operators * 2) / 3);
    const { name, network, validators, withdrawal_address, fee_recipient, compounding } = request;
    this.#record = null;
    this.#plan = { ...PLAN, name, network, operators, threshold, validators, withdrawal_address, fee_recipient, compounding };
    this.#sit(1, request.seat.nickname);
    return this.show(null);
  }

  /** Makes a record for a definition that comes from elsewhere. */
  prepare(nickname: string): { forming: Forming | null } {
    this.#plan = { ...PLAN, name: "", operators: 0 };
    this.#record = RECORD;
    this.#sit(2, nickname);
    return this.show(null);
  }

  define({ source }: SetDefinitionRequest): { forming: Forming | null } {
    if (source === "") return this.show(null);
    if (source.includes("other")) {
      throw refusal("Give this node's record to whoever makes the definition, and take the definition made with it.");
    }
    this.#plan = { ...PLAN, name: "Launchpad cluster" };
    const own = this.#seats[1]?.nickname ?? "Sam";
    const account = (index: number): string => `0x${String(index + 1).repeat(8)}`;
    this.#seats = Array.from({ length: 4 }, (_, index) => ({
      ...empty(), nickname: index === 1 ? own : account(index), taken: true, named: index !== 1,
    }));
    return this.show(null);
  }

  read(text: string): InviteReply {
    const data = /hearth:\/\/join\/1\/(\S+)|https:\/\/\S+#1\.(\S+)/.exec(text);
    const link = `hearth://join/1/${data?.[1] ?? data?.[2] ?? ""}`;
    if (data === null) {
      throw refusal("That is no invitation to a Hearth cluster; one begins with hearth://join/1/.");
    }
    const obstacle = link.includes("expired") ? "the invitation has expired; ask whoever sent it for a new one" : null;
    return { link, organiser: "Sam", plan: PLAN, seat: 2, expires_ms: this.now() + 6 * 86_400_000, obstacle };
  }

  take({ link, seat }: TakeSeatRequest): { forming: Forming | null } {
    this.read(link);
    this.#plan = PLAN;
    this.#record = null;
    this.#sit(2, seat.nickname);
    return this.show(null);
  }

  name({ seat, record, nickname }: NameSeatRequest): { forming: Forming | null } {
    if (!record.trim().startsWith("enr:")) throw refusal("That is no record of a node: it begins with enr:.");
    const place = this.#seats[seat - 1];
    if (place !== undefined) this.#seats[seat - 1] = { ...place, nickname, taken: true, named: true };
    return this.show(null);
  }

  reopen(seat: number): { forming: Forming | null } {
    const place = this.#seats[seat - 1];
    if (place !== undefined) this.#seats[seat - 1] = { ...empty(), link: place.link + 1 };
    return this.show(null);
  }

  agree(): { forming: Forming | null } {
    this.#own({ agreed: true });
    return this.show(null);
  }

  ready(ready: boolean): { forming: Forming | null } {
    this.#own({ ready });
    return this.show(null);
  }

  begin(): { forming: Forming | null } {
    this.#begun = this.now();
    this.#trouble = null;
    return this.show(null);
  }

  /** Writes nothing: there is no disk here. */
  save(): { forming: Forming | null } {
    return this.show(null);
  }

  leave(confirmed: boolean): { forming: Forming | null } {
    if (this.#begun !== null && this.#formed === null) {
      if (!confirmed) throw refusal("Stopping the key ceremony stops it for everybody. Confirm that.");
      this.#fail("this operator has stopped it");
      return this.show(null);
    }
    if (!confirmed && this.#formed === null) throw refusal("The seat is given up. Confirm that.");
    this.#plan = null;
    this.#formed = null;
    this.#begun = null;
    return this.show(null);
  }

  #start({ organiser, stage, held, step, trouble }: FormingStart): void {
    this.#plan = PLAN;
    this.#sit(organiser ? 1 : 2, organiser ? "Sam" : "Maya");
    this.#held = held;
    this.#trouble = trouble ?? null;
    this.#refused = stage === "refused";
    const all = (change: Partial<Seat>): void => {
      this.#seats = this.#seats.map((seat, index) => ({ ...seat, nickname: FRIENDS[index] ?? "", taken: true, ...change }));
    };
    switch (stage) {
      case "inviting": {
        const [first, second, ...rest] = this.#seats;
        if (first !== undefined && second !== undefined) this.#seats = [first, { ...second, nickname: "Maya", taken: true }, ...rest];
        break;
      }
      case "agreeing":
        all({});
        this.#seats = this.#seats.map((seat, index) => ({ ...seat, agreed: index > 1 }));
        break;
      case "gathering":
        all({ agreed: true });
        this.#seats = this.#seats.map((seat, index) => ({ ...seat, ready: index > 1 && trouble === undefined }));
        break;
      case "ceremony":
        all({ agreed: true, ready: true });
        this.#begun = this.now();
        this.#heldStep = step ?? 1;
        break;
      case "formed":
        all({ agreed: true, ready: true });
        this.#formed = this.arrive();
        break;
      case "refused":
        break;
      case "defining":
        this.prepare("Maya");
        break;
    }
  }

  #sit(me: number, nickname: string): void {
    this.#me = me;
    this.#held = false;
    this.#heldStep = null;
    this.#refused = false;
    this.#trouble = null;
    this.#formed = null;
    this.#begun = null;
    this.#next = this.now() + BEAT_MS;
    const place = (index: number): Seat => {
      if (index === me - 1) return { ...empty(), nickname, taken: true };
      return index === 0 ? { ...empty(), nickname: "Sam", taken: true } : empty();
    };
    this.#seats = Array.from({ length: this.#plan?.operators ?? 4 }, (_, index) => place(index));
  }

  /** The others do what is due, one after the other. */
  #live(): void {
    for (; this.#next <= this.now(); this.#next += BEAT_MS) {
      const free = this.#seats.findIndex((seat) => !seat.taken);
      const behind = this.#seats.findIndex((seat, index) => index !== this.#me - 1 && !seat.named && !(seat.agreed && seat.ready));
      const [one, change] = free >= 0
        ? [free, { taken: true, nickname: FRIENDS[free] ?? `Friend ${free + 1}` }]
        : [behind, this.#seats[behind]?.agreed === true ? { ready: true } : { agreed: true }];
      this.#seats = this.#seats.map((seat, index) => (index === one ? { ...seat, ...change } : seat));
    }
    const all = this.#seats.every((seat) => seat.named || seat.ready);
    if (this.#me !== 1 && this.#record === null && all && this.#begun === null && this.#formed === null) this.#begun = this.now();
    if (this.#begun !== null && this.#step() > 7 && this.#formed === null) this.#formed = this.arrive();
  }

  #fail(why: string): void {
    this.#begun = null;
    this.#held = false;
    this.#trouble = why;
    this.#seats = this.#seats.map((seat) => ({ ...seat, ready: false }));
  }

  #step(): number {
    return this.#heldStep ?? Math.floor((this.now() - (this.#begun ?? this.now())) / STEP_MS);
  }

  #own(change: Partial<Seat>): void {
    this.#seats = this.#seats.map((seat, index) => (index === this.#me - 1 ? { ...seat, ...change } : seat));
  }

  #stage(): FormingStage {
    if (this.#formed !== null) return "formed";
    if (this.#refused) return "refused";
    if (this.#begun !== null) return "ceremony";
    if (this.#record !== null && this.#plan?.name === "") return "defining";
    if (this.#seats.some((seat) => !seat.taken)) return "inviting";
    return this.#seats.every((seat) => seat.agreed || seat.named) ? "gathering" : "agreeing";
  }

  #view(plan: ClusterPlan, codeOf: number | null): Forming {
    const stage = this.#stage();
    const agreed = stage !== "inviting" && stage !== "defining" && stage !== "refused";
    const step = stage === "ceremony" ? Math.min(this.#step(), 7) : null;
    return {
      stage,
      me: this.#me,
      record: this.#record,
      signed: this.#record !== null,
      plan,
      definition_hash: agreed ? HASH : null,
      words: agreed ? WORDS : [],
      seats: this.#seats.map((seat, index) => this.#seat(seat, index + 1, step, codeOf)),
      connected: !this.#refused,
      addresses: ["192.168.1.20:3611"],
      trouble: this.#trouble,
      step,
      saving: step === 6 ? [0, plan.validators] : null,
      formed: this.#formed,
      folder: "/home/sam/.local/share/hearth/clusters/5f3a9c1e",
    };
  }

  #seat(seat: Seat, number: number, step: number | null, codeOf: number | null): FormingSeat {
    const { nickname, taken, agreed, ready, named } = seat;
    const invited = this.#me === 1 && number > 1 && !taken;
    const checks = taken && !named ? checksOf(number) : [];
    return {
      number,
      nickname,
      named,
      taken,
      here: taken && (!named || step !== null),
      agreed,
      ready,
      version: taken && !named ? "hearth/0.1.0" : "",
      checks,
      step: step === null ? null : Math.max(0, step - (number === 3 ? 1 : 0)),
      page_link: null,
      link: invited ? `hearth://join/1/${`seat${number}v${seat.link}`.padEnd(420, "hEaRtHpHQ1z8Ka2_")}` : null,
      code: invited && codeOf === number ? CODE : null,
      expires_ms: invited ? this.now() + 7 * 86_400_000 : null,
    };
  }
}

const RECORD = `enr:-${"HW4QEp-BLhP30tqTGFbR9n2PdUKWP9qc0zphIRmn8_jpm4BYkgekztXQaPA_znRW8RvNYHo0pUwyPEwUGGeZu26XlKAgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQ"}`;

function empty(): Seat {
  return { nickname: "", taken: false, agreed: false, ready: false, named: false, link: 1 };
}

function checksOf(number: number): SeatCheck[] {
  const clock: SeatCheck = { kind: "clock", good: true, detail: `0.${number} s from the organiser's clock` };
  const rest: SeatCheck[] = [
    { kind: "folder", good: true, detail: "free and writable" },
    { kind: "disk", good: true, detail: "212 GiB free" },
    { kind: "reach", good: true, detail: `192.168.1.2${number}:3610` },
  ];
  return number === 1 ? rest : [clock, ...rest];
}

function refusal(remedy: string): Failure {
  const error: UiError = {
    code: "value_refused",
    message: "This value cannot be used.",
    stake: "Nothing changed; the node goes on as before.",
    remedy,
    details: null,
  };
  return new Failure(error);
}

/** A chequered square stands for a code here. */
const CODE: LinkCode = {
  size: 29,
  path: Array.from({ length: 29 * 29 }, (_, at) => [at % 29, Math.floor(at / 29)] as const)
    .filter(([x, y]) => (x * 7 + y * 13 + ((x * y) % 5)) % 3 === 0 || (x < 7 && y < 7))
    .map(([x, y]) => `M${x} ${y}h1v1h-1z`)
    .join(""),
};
