import type { DutyKind, DutyRecord, NetworkView } from "$api";

import { epochOf } from "../lib/format";
import type { DutyPlace } from "../lib/router";
import { unreachable } from "../lib/unreachable";
import { markOf } from "./chain";

/** Kinds of duty that share a row. */
export const FAMILIES = ["attest", "propose", "sync", "other"] as const;
export type Family = (typeof FAMILIES)[number];

/** What the rows of the timeline stand for. */
export type RowsBy = "family" | "validator";

/** A slot in which something was to be done. */
export type Column = {
  slot: string;
  epoch: string;
  /** Whether another epoch begins here. */
  opens: boolean;
};

export type Row = { key: string };

export type Timeline = {
  /** Oldest first. Slots without a duty are left out. */
  columns: readonly Column[];
  rows: readonly Row[];
  /** The duties of a row and column; none if absent. */
  at(row: number, column: number): readonly DutyRecord[];
};

export function familyOf(kind: DutyKind): Family {
  switch (kind) {
    case "attester":
    case "prepare_aggregator":
    case "aggregator":
      return "attest";
    case "proposer":
    case "randao":
      return "propose";
    case "sync_message":
    case "prepare_sync_contribution":
    case "sync_contribution":
    case "info_sync":
      return "sync";
    case "signature":
    case "exit":
    case "builder_registration":
      return "other";
    default:
      return unreachable(kind);
  }
}

/** The timeline of duties, given newest first as the node tells them. */
export function timeline(duties: readonly DutyRecord[], network: NetworkView, rowsBy: RowsBy): Timeline {
  const columns: Column[] = [];
  const columnOf = new Map<string, number>();
  for (const { slot } of [...duties].reverse()) {
    if (columnOf.has(slot)) continue;
    const epoch = epochOf(slot, network);
    columnOf.set(slot, columns.length);
    columns.push({ slot, epoch, opens: columns.at(-1)?.epoch !== epoch });
  }
  const cells = new Map<string, DutyRecord[]>();
  const keys = new Set<string>();
  for (const duty of duties) {
    for (const key of rowsBy === "family" ? [familyOf(duty.kind)] : duty.validators) {
      keys.add(key);
      const cell = `${key} ${columnOf.get(duty.slot) ?? 0}`;
      cells.set(cell, [...(cells.get(cell) ?? []), duty]);
    }
  }
  const rows = sorted(keys, rowsBy).map((key) => ({ key }));
  return { columns, rows, at: (row, column) => cells.get(`${rows[row]?.key} ${column}`) ?? [] };
}

function sorted(keys: ReadonlySet<string>, rowsBy: RowsBy): string[] {
  if (rowsBy === "family") return FAMILIES.filter((family) => keys.has(family));
  return [...keys].sort((a, b) => Number(a) - Number(b));
}

/** The duty that tells most of a cell: a miss before one that is late before one under way before one that was done. */
export function foremost(duties: readonly DutyRecord[]): DutyRecord | null {
  const rank = (duty: DutyRecord): number => ["missed", "late", "waiting", "done"].indexOf(markOf(duty));
  return duties.reduce<DutyRecord | null>((best, duty) => (best === null || rank(duty) < rank(best) ? duty : best), null);
}

export function findDuty(duties: readonly DutyRecord[], place: DutyPlace): DutyRecord | null {
  return duties.find(({ slot, kind }) => slot === place.slot && kind === place.kind) ?? null;
}

/** Validators that the duties name, in their order. */
export function validatorsOf(duties: readonly DutyRecord[]): string[] {
  return sorted(new Set(duties.flatMap(({ validators }) => validators)), "validator");
}
