import { t } from "../lib/messages";
import { dutiesOf } from "../lib/router";
import type { App } from "../model/app.svelte";
import { statusForChat } from "../model/share";
import { clusterOf, places } from "./places";

/** Something that the palette can do. */
export type PaletteCommand = { id: string; label: string; act: () => void };

export function commands(app: App): PaletteCommand[] {
  const { node, preferences, router } = app;
  const cluster = clusterOf(router.route);
  const { main, foot } = places(cluster);
  const list: PaletteCommand[] = [...main, ...foot].map(({ label, route }) => ({
    id: route.name,
    label: t("palette.goTo", { place: label }),
    act: () => {
      router.go(route);
    },
  }));
  for (const { id, name } of node.view?.clusters ?? []) {
    list.push({
      id,
      label: t("palette.goTo", { place: name }),
      act: () => {
        router.go({ name: "cluster", cluster: id });
      },
    });
  }
  list.push(
    {
      id: "setup",
      label: t("palette.goTo", { place: t("nav.setup") }),
      act: () => {
        router.go({ name: "setup", step: "welcome" });
      },
    },
    {
      id: "misses",
      label: t("palette.misses"),
      act: () => {
        router.go(dutiesOf(cluster, { misses: true }));
      },
    },
    {
      id: "chat",
      label: t("palette.copyStatus"),
      act: () => {
        const shown = cluster === null ? null : node.cluster(cluster);
        const health = shown === null ? node.health : node.healthOf(shown);
        void app.copy(statusForChat(shown, health, node.view?.at_ms ?? node.nowMs), t("copy.status"));
      },
    },
    {
      id: "light",
      label: t("palette.light"),
      act: () => {
        preferences.theme = "light";
      },
    },
    {
      id: "dark",
      label: t("palette.dark"),
      act: () => {
        preferences.theme = "dark";
      },
    },
    {
      id: "technical",
      label: preferences.technical ? t("palette.technicalOff") : t("palette.technicalOn"),
      act: () => {
        preferences.technical = !preferences.technical;
      },
    },
    {
      id: "stop",
      label: t("stop.open"),
      act: () => {
        app.dialog = "stop";
      },
    },
  );
  return list;
}

/** Commands whose label holds every word that was typed. */
export function matching(list: readonly PaletteCommand[], typed: string): PaletteCommand[] {
  const words = typed.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return list.filter(({ label }) => words.every((word) => label.toLowerCase().includes(word)));
}
