import { t } from "../lib/messages";
import { unreachable } from "../lib/unreachable";

export type LaterPlace = "diversity" | "drills" | "exit";

type LaterWords = { title: string; sentence: string; meanwhile: string; commands: string[] };

/** What a place says until its work is done. Commands are the same in every language. */
export function laterWords(place: LaterPlace): LaterWords {
  switch (place) {
    case "diversity":
      return {
        title: t("nav.diversity"),
        sentence: t("later.diversity.sentence"),
        meanwhile: t("later.diversity.meanwhile"),
        commands: [],
      };
    case "drills":
      return {
        title: t("nav.drills"),
        sentence: t("later.drills.sentence"),
        meanwhile: t("later.drills.meanwhile"),
        commands: ["hearth demo"],
      };
    case "exit":
      return {
        title: t("later.exit.title"),
        sentence: t("later.exit.sentence"),
        meanwhile: t("later.exit.meanwhile"),
        commands: [],
      };
    default:
      return unreachable(place);
  }
}
