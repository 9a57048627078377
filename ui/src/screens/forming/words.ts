import type { Forming, FormingSeat, SeatCheckKind } from "$api";

import { t } from "../../lib/messages";
import { unreachable } from "../../lib/unreachable";

/** What to call whoever has a seat. */
export function seatName(seat: FormingSeat, me: number): string {
  if (!seat.taken) return t("seats.free.name");
  const name = seat.nickname === "" ? t("seats.operator", { number: seat.number }) : seat.nickname;
  return seat.number === me ? t("seats.you", { name }) : name;
}

export type SeatWord = { word: string; tone: "plain" | "info" | "warning" | "ok" | "ash" };

/** How far whoever has a seat is, in two words. */
export function seatState(seat: FormingSeat, stage: Forming["stage"], me: boolean): SeatWord {
  if (!seat.taken) return { word: t("seats.state.open"), tone: "ash" };
  if (stage === "ceremony") {
    if (seat.step === null) return { word: seat.here ? t("seats.state.connected") : t("seats.state.coming"), tone: seat.here ? "info" : "ash" };
    return { word: t("seats.state.step", { step: seat.step }), tone: seat.step >= 7 ? "ok" : "info" };
  }
  if (seat.named) return { word: t("seats.state.ceremonyOnly"), tone: "info" };
  if (!seat.here && !me) return { word: t("seats.state.away"), tone: "warning" };
  if (stage === "inviting") return { word: t("seats.state.here"), tone: "ok" };
  if (!seat.agreed) return { word: t("seats.state.comparing"), tone: "info" };
  if (stage === "agreeing") return { word: t("seats.state.agreed"), tone: "ok" };
  return seat.ready ? { word: t("seats.state.ready"), tone: "ok" } : { word: t("seats.state.notReady"), tone: "info" };
}

/** What is checked on an operator's computer. */
export function checkWord(kind: SeatCheckKind): string {
  switch (kind) {
    case "clock":
      return t("seats.check.clock");
    case "disk":
      return t("seats.check.disk");
    case "folder":
      return t("seats.check.folder");
    case "version":
      return t("seats.check.version");
    case "reach":
      return t("seats.check.reach");
    default:
      return unreachable(kind);
  }
}

/** What a step of the ceremony is for. */
export function stepWord(step: number): string {
  switch (step) {
    case 0:
      return t("ceremony.step.0");
    case 1:
      return t("ceremony.step.1");
    case 2:
      return t("ceremony.step.2");
    case 3:
      return t("ceremony.step.3");
    case 4:
      return t("ceremony.step.4");
    case 5:
      return t("ceremony.step.5");
    case 6:
      return t("ceremony.step.6");
    default:
      return t("ceremony.step.7");
  }
}
