import type { DutyKind } from "$api";

import { familyOf } from "../../model/timeline";
import { unreachable } from "../../lib/unreachable";

/** The form in which a duty is drawn. */
export function formOf(kind: DutyKind): "round" | "diamond" | "bar" {
  const family = familyOf(kind);
  switch (family) {
    case "propose":
      return "diamond";
    case "sync":
      return "bar";
    case "attest":
    case "other":
      return "round";
    default:
      return unreachable(family);
  }
}
