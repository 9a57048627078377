import type { KeysReply, SeatView, ValidatorStage } from "$api";

import { t } from "../../lib/messages";

const GWEI_PER_ETH = 1_000_000_000n;

/** An amount in Gwei, as people say it. */
export function eth(gwei: string): string {
  const amount = BigInt(gwei);
  const rest = (amount % GWEI_PER_ETH).toString().padStart(9, "0").replace(/0+$/, "");
  return `${amount / GWEI_PER_ETH}${rest === "" ? "" : `.${rest}`} ETH`;
}

/** What stands before a deposit. */
export type Obstacles = {
  /** Whether this operator's restore was practised. */
  backup: boolean;
  /** Whether every other operator is known to have the same cluster, and with it the same deposits. */
  same: boolean;
  /** Whose node has not said so. */
  unheard: string[];
  /** Whether the chain knows a validator already. */
  deposited: boolean;
};

/** A node that told its version was asked for its lock as well, and has the same: see the node's questions to its peers. */
export function obstacles(known: { keys: KeysReply | null; stages: readonly ValidatorStage[]; seats: readonly SeatView[] }): Obstacles {
  const unheard = known.seats.filter((seat) => !seat.me && seat.version === null);
  return {
    backup: known.keys !== null && known.keys.practised_ms !== null,
    same: known.seats.length > 0 && unheard.length === 0,
    unheard: unheard.map((seat) => (seat.nickname === null || seat.nickname === "" ? t("seats.operator", { number: seat.number }) : seat.nickname)),
    deposited: known.stages.some((stage) => stage !== "unknown" && stage !== "not_deposited"),
  };
}
