import type { DutyRecord } from "$api";

import { markOf } from "./chain";

const HEAD = [
  "cluster",
  "slot",
  "kind",
  "due",
  "validators",
  "result",
  "outcome",
  "stage",
  "code",
  "reason",
  "agreed_ms",
  "signed_ms",
  "complete_ms",
  "sent_ms",
  "leader",
  "round",
  "signers",
  "inclusion_delays",
  "best_inclusion_delay",
];

/** The duties as a table for a spreadsheet. Columns keep their names in every language, for programs. */
export function dutiesCsv(duties: readonly DutyRecord[]): string {
  const lines = duties.map((duty) => {
    const missed = duty.outcome.kind === "missed" ? duty.outcome : null;
    return [
      duty.cluster,
      duty.slot,
      duty.kind,
      new Date(duty.due_ms).toISOString(),
      duty.validators.join(" "),
      markOf(duty),
      duty.outcome.kind,
      missed?.stage,
      missed?.code,
      missed?.sentence,
      duty.trace.agreed_ms,
      duty.trace.signed_ms,
      duty.trace.complete_ms,
      duty.trace.sent_ms,
      duty.leader,
      duty.round,
      duty.signers.join(" "),
      duty.on_chain?.delays.map((delay) => delay ?? "none").join(" "),
      duty.on_chain?.best,
    ];
  });
  return [HEAD, ...lines].map((line) => line.map(field).join(",")).join("\r\n");
}

/** A field that no spreadsheet takes for a formula, whatever an operator called itself. */
function field(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  const harmless = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
