import type { SeatState } from "$api";

import type { ShapeName } from "../../components/Shape.svelte";
import { unreachable } from "../../lib/unreachable";

export function seatShape(state: SeatState): ShapeName {
  switch (state) {
    case "here":
      return "full";
    case "slow":
      return "half";
    case "dark":
      return "hollow";
    case "unknown":
      return "question";
    default:
      return unreachable(state);
  }
}
