import type { RecordReach, SlashingImportReply } from "$api";

import { grouped } from "../lib/format";
import { t } from "../lib/messages";

/** How far attestations on record reach. */
export function votes({ source, target }: RecordReach): string {
  return source === null || target === null ? t("record.nothing") : `${grouped(source)} → ${grouped(target)}`;
}

export function blocks({ block }: RecordReach): string {
  return block === null ? t("record.nothing") : t("slot.numbered", { slot: grouped(block) });
}

/** The whole in one line. */
export function reachText(reach: RecordReach): string {
  const parts: string[] = [];
  if (reach.target !== null) parts.push(t("record.votesTo", { votes: votes(reach) }));
  if (reach.block !== null) parts.push(t("record.blocksTo", { slot: grouped(reach.block) }));
  return parts.length === 0 ? t("record.nothing") : parts.join(", ");
}

export function sameReach(a: RecordReach, b: RecordReach): boolean {
  return a.source === b.source && a.target === b.target && a.block === b.block;
}

/** Validators whose record reaches further with the file than without. */
export function raised(reply: SlashingImportReply): number {
  return reply.validators.filter(({ before, after }) => !sameReach(before, after)).length;
}
