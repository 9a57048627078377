import Activity from "@lucide/svelte/icons/activity";
import ChartNoAxesColumn from "@lucide/svelte/icons/chart-no-axes-column";
import FlameKindling from "@lucide/svelte/icons/flame-kindling";
import House from "@lucide/svelte/icons/house";
import Info from "@lucide/svelte/icons/info";
import KeyRound from "@lucide/svelte/icons/key-round";
import Settings from "@lucide/svelte/icons/settings";
import ShieldCheck from "@lucide/svelte/icons/shield-check";
import Shapes from "@lucide/svelte/icons/shapes";
import type { Component } from "svelte";

import { t } from "../lib/messages";
import { dutiesOf, type Route } from "../lib/router";

export type Entry = { label: string; route: Route; icon: Component<{ size?: number }>; also: readonly Route["name"][] };

/** The places of the sidebar for the cluster that is looked at. */
export function places(cluster: string | null): { main: Entry[]; foot: Entry[] } {
  return {
    main: [
      { label: t("nav.home"), route: { name: "home" }, icon: House, also: ["clusters", "cluster", "plan", "join", "forming", "deposit"] },
      {
        label: t("nav.duties"),
        route: dutiesOf(cluster),
        icon: ChartNoAxesColumn,
        also: [],
      },
      { label: t("nav.health"), route: { name: "health", cluster }, icon: Activity, also: [] },
      { label: t("nav.keys"), route: { name: "keys", cluster }, icon: KeyRound, also: [] },
      { label: t("nav.slashing"), route: { name: "slashing", cluster }, icon: ShieldCheck, also: [] },
      { label: t("nav.diversity"), route: { name: "diversity" }, icon: Shapes, also: [] },
      { label: t("nav.drills"), route: { name: "drills" }, icon: FlameKindling, also: [] },
    ],
    foot: [
      { label: t("nav.settings"), route: { name: "settings", tab: "general" }, icon: Settings, also: [] },
      { label: t("nav.about"), route: { name: "about" }, icon: Info, also: [] },
    ],
  };
}

/** The same place for another cluster; `null` for all of them. */
export function elsewhere(route: Route, cluster: string | null): Route {
  if (route.name === "health") return { ...route, cluster };
  if (cluster === null) return { name: "clusters" };
  switch (route.name) {
    case "duties":
      return { ...route, cluster, duty: null };
    case "keys":
    case "slashing":
      return { ...route, cluster };
    default:
      return { name: "cluster", cluster };
  }
}

/** The cluster that a route is about; `null` if it is about none in particular. What can show only one shows `first`. */
export function clusterOf(route: Route, first: string | null = null): string | null {
  switch (route.name) {
    case "cluster":
    case "deposit":
    case "health":
      return route.cluster;
    case "duties":
    case "keys":
    case "slashing":
      return route.cluster ?? first;
    default:
      return null;
  }
}
