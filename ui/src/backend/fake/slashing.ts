import type {
  ImportedValidator,
  RecordReach,
  SlashingExportReply,
  SlashingExportRequest,
  SlashingImportReply,
  SlashingImportRequest,
  SlashingReply,
  UiError,
} from "$api";

import { Failure } from "../backend";
import { pubkeyOf } from "./world";

/** The record of signed messages of a fake node; see slashing.rs of hearth-api. */
export class FakeRecord {
  readonly #reach: Map<string, RecordReach>;

  constructor(
    validators: readonly string[],
    readonly epoch: number,
  ) {
    const target = (behind: number): RecordReach => ({
      source: String(epoch - behind - 1),
      target: String(epoch - behind),
      block: behind === 0 ? String((epoch - 400) * 32 + 7) : null,
    });
    this.#reach = new Map(validators.map((validator, index) => [pubkeyOf(validator), target(index % 2)]));
  }

  show(): SlashingReply {
    const validators = [...this.#reach].map(([pubkey, reach], index) => ({ pubkey, reach, entries: 3_150 - index }));
    return { validators, bytes: 90_112 + validators.length * 221_184 };
  }

  write({ path }: SlashingExportRequest): SlashingExportReply {
    if (path.includes("taken")) throw refusal("unwritable", `cannot write ${path}: File exists (os error 17)`);
    return { path, validators: this.#reach.size, bytes: 312 };
  }

  add({ path, confirmed }: SlashingImportRequest): SlashingImportReply {
    if (path.includes("absent")) throw refusal("unreadable", `cannot read ${path}: No such file or directory (os error 2)`);
    if (path.includes("strange")) throw refusal("file_refused", `${path} tells of no validator of this cluster`);
    const [first] = this.#reach;
    if (first === undefined) throw refusal("file_refused", `${path} tells of no validator of this cluster`);
    const [key, before] = first;
    const known = path.includes("old");
    const after = known ? before : { ...before, source: String(this.epoch), target: String(this.epoch + 1) };
    const validators: ImportedValidator[] = [{ pubkey: key, before, after, slashable: path.includes("twice") ? 1 : 0 }];
    if (confirmed) this.#reach.set(key, after);
    return { imported: confirmed, validators, silent: this.#reach.size - 1, strangers: 0 };
  }
}

function refusal(code: "unwritable" | "unreadable" | "file_refused", details: string): Failure {
  const error: UiError = {
    code,
    message: { unwritable: "The file could not be written.", unreadable: "The file could not be read.", file_refused: "The file was refused, all of it." }[code],
    stake: "Nothing changed; the node goes on as before.",
    remedy: {
      unwritable: "Choose another place. What is there already is never overwritten.",
      unreadable: "Check where it is, and that whoever runs the node may read it.",
      file_refused: "The details say what is wrong with it. Choose the right file, or have it written again.",
    }[code],
    details,
  };
  return new Failure(error);
}
