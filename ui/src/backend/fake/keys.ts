import type { BackUpRequest, BackupReply, KeysReply, UiError } from "$api";

import { Failure } from "../backend";
import { pubkeyOf, type FakeCluster } from "./world";

/** The key shares of a fake node, and its backup. */
export class FakeKeys {
  #made: { path: string; passphrase: string; ms: number } | null = null;
  #practisedMs: number | null = null;

  constructor(
    readonly cluster: () => FakeCluster | undefined,
    readonly now: () => number,
  ) {}

  show(): KeysReply {
    const validators = this.cluster()?.validators ?? [];
    return {
      shares: validators.map((index) => ({ validator: pubkeyOf(index), share: pubkeyOf(`${index}7`) })),
      sealed: true,
      folder: "/home/sam/.local/share/hearth/validator_keys",
      backed_up_ms: this.#made?.ms ?? null,
      practised_ms: this.#practisedMs,
    };
  }

  backUp({ path, passphrase }: BackUpRequest): BackupReply {
    if (path.includes("taken")) throw refusal("unwritable", "The file could not be written.", "Choose another place.");
    this.#made = { path, passphrase, ms: this.now() };
    return this.#reply(this.#made);
  }

  practise({ path, passphrase }: BackUpRequest): BackupReply {
    if (this.#made?.path !== path) throw refusal("unreadable", "The file could not be read.", "Check where it is.");
    if (this.#made.passphrase !== passphrase) {
      throw refusal("value_refused", "This value cannot be used.", "Type the passphrase that the backup was made with.");
    }
    this.#practisedMs = this.now();
    return this.#reply(this.#made);
  }

  #reply({ path, ms }: { path: string; ms: number }): BackupReply {
    const cluster = this.cluster();
    return {
      path,
      bytes: 41_300,
      cluster: cluster?.name ?? "",
      lock_hash: cluster?.id ?? "0x",
      operator: 2,
      validators: cluster?.validators.length ?? 0,
      made_ms: ms,
    };
  }
}

function refusal(code: UiError["code"], message: string, remedy: string): Failure {
  return new Failure({ code, message, stake: "Nothing changed; the node goes on as before.", remedy, details: null });
}
