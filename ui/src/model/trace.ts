import type { DutyRecord, DutyStage } from "$api";

export const STAGES = ["fetch", "agree", "sign", "collect", "submit"] as const satisfies readonly DutyStage[];

/** How a duty passed a stage. */
export type Step =
  | { stage: DutyStage; kind: "passed"; atMs: number | null }
  | { stage: DutyStage; kind: "failed" }
  | { stage: DutyStage; kind: "pending" }
  | { stage: DutyStage; kind: "unreached" };

/** The five stages of a duty. The first has no moment of its own: that the next was reached is all that is known. */
export function steps(duty: DutyRecord): Step[] {
  const { trace, outcome } = duty;
  const moments: Record<DutyStage, number | null> = {
    fetch: null,
    agree: trace.agreed_ms,
    sign: trace.signed_ms,
    collect: trace.complete_ms,
    submit: trace.sent_ms,
  };
  const failedAt = outcome.kind === "missed" ? STAGES.indexOf(outcome.stage) : null;
  const reached = Math.max(-1, ...STAGES.map((stage, index) => (moments[stage] === null ? -1 : index)));
  return STAGES.map((stage, index): Step => {
    if (failedAt === index) return { stage, kind: "failed" };
    if (failedAt !== null && index > failedAt) return { stage, kind: "unreached" };
    if (failedAt !== null || outcome.kind === "sent" || index <= reached) {
      return { stage, kind: "passed", atMs: moments[stage] };
    }
    return index === reached + 1 ? { stage, kind: "pending" } : { stage, kind: "unreached" };
  });
}
