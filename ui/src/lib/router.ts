import type { DutyKind } from "$api";

/** Where the window is. One line for each address of it. */
export type Route =
  | { name: "home" }
  | { name: "clusters" }
  | { name: "cluster"; cluster: string }
  | DutiesRoute
  | { name: "health"; cluster: string | null }
  | { name: "setup"; step: string }
  | { name: "keys"; cluster: string | null }
  | { name: "slashing"; cluster: string | null }
  | { name: "diversity" }
  | { name: "drills" }
  | { name: "settings"; tab: SettingsTab }
  | { name: "about" }
  | { name: "join"; link: string | null }
  | { name: "plan" }
  | { name: "definition" }
  | { name: "deposit"; cluster: string }
  | { name: "forming" }
  | { name: "bring-back" }
  | { name: "move-in" }
  | { name: "exit"; validator: string }
  | { name: "nowhere"; path: string };

/** The timeline of duties, and which of them: the latest, or the latest before a slot. */
export type DutiesRoute = {
  name: "duties";
  cluster: string | null;
  /** The one whose story is open. */
  duty: DutyPlace | null;
  misses: boolean;
  before: string | null;
};

/** How invitations begin. */
export const INVITATION = "hearth://join/";

/** The latest duties of a cluster, all of them, with what shall be otherwise. */
export function dutiesOf(cluster: string | null, rest: Partial<DutiesRoute> = {}): DutiesRoute {
  return { name: "duties", cluster, duty: null, misses: false, before: null, ...rest };
}

/** A duty as an address names it. */
export type DutyPlace = { slot: string; kind: DutyKind };

export const SETTINGS_TABS = ["general", "node", "alerts", "security", "privacy", "advanced"] as const;
export type SettingsTab = (typeof SETTINGS_TABS)[number];

const DUTY_KINDS: Record<DutyKind, true> = {
  proposer: true,
  attester: true,
  signature: true,
  exit: true,
  builder_registration: true,
  randao: true,
  prepare_aggregator: true,
  aggregator: true,
  sync_message: true,
  prepare_sync_contribution: true,
  sync_contribution: true,
  info_sync: true,
};

/** The route of an address's part after `#`. Never fails: what it does not know is `nowhere`. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "");
  const asked = new URLSearchParams(query);
  const [first, second, third] = parts.map(decode);
  switch (first) {
    case undefined:
      return { name: "home" };
    case "clusters":
      if (second === undefined) return { name: "clusters" };
      if (third === undefined) return { name: "cluster", cluster: second };
      if (third === "duties") return duties(second, asked);
      if (third === "deposit") return { name: "deposit", cluster: second };
      if (third === "health" || third === "keys" || third === "slashing") return { name: third, cluster: second };
      break;
    case "duties":
      return duties(null, asked);
    case "alerts":
      return { name: "health", cluster: null };
    case "setup":
      return { name: "setup", step: second ?? "welcome" };
    case "keys":
    case "slashing":
      if (second === undefined) return { name: first, cluster: null };
      break;
    case "diversity":
    case "drills":
    case "about":
    case "plan":
    case "definition":
    case "forming":
    case "bring-back":
    case "move-in":
      if (second === undefined) return { name: first };
      break;
    case "join":
      if (second === undefined) return { name: "join", link: null };
      if (third !== undefined) return { name: "join", link: `${INVITATION}${second}/${third}` };
      break;
    case "settings": {
      const tab = SETTINGS_TABS.find((known) => known === (second ?? "general"));
      if (tab !== undefined) return { name: "settings", tab };
      break;
    }
    case "exit":
      if (second !== undefined) return { name: "exit", validator: second };
      break;
  }
  return { name: "nowhere", path };
}

function duties(cluster: string | null, asked: URLSearchParams): Route {
  const [slot, before, kind] = [slotIn(asked, "slot"), slotIn(asked, "before"), asked.get("kind")];
  const duty = slot !== null && kind !== null && isDutyKind(kind) ? { slot, kind } : null;
  return dutiesOf(cluster, { duty, misses: asked.has("misses"), before });
}

function slotIn(asked: URLSearchParams, name: string): string | null {
  const slot = asked.get(name);
  return slot !== null && /^\d{1,19}$/.test(slot) ? slot : null;
}

function isDutyKind(text: string): text is DutyKind {
  return Object.hasOwn(DUTY_KINDS, text);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a route. `parseRoute` of it gives the route again. */
export function href(route: Route): string {
  const at = encodeURIComponent;
  switch (route.name) {
    case "home":
      return "#/";
    case "clusters":
      return "#/clusters";
    case "cluster":
      return `#/clusters/${at(route.cluster)}`;
    case "duties": {
      const asked = new URLSearchParams();
      if (route.duty !== null) {
        asked.set("slot", route.duty.slot);
        asked.set("kind", route.duty.kind);
      }
      if (route.misses) asked.set("misses", "");
      if (route.before !== null) asked.set("before", route.before);
      const query = asked.size > 0 ? `?${asked}` : "";
      return route.cluster === null ? `#/duties${query}` : `#/clusters/${at(route.cluster)}/duties${query}`;
    }
    case "health":
      return route.cluster === null ? "#/alerts" : `#/clusters/${at(route.cluster)}/health`;
    case "keys":
    case "slashing":
      return route.cluster === null ? `#/${route.name}` : `#/clusters/${at(route.cluster)}/${route.name}`;
    case "deposit":
      return `#/clusters/${at(route.cluster)}/deposit`;
    case "setup":
      return `#/setup/${at(route.step)}`;
    case "settings":
      return `#/settings/${route.tab}`;
    case "join":
      return route.link === null ? "#/join" : `#/join/${route.link.slice(INVITATION.length)}`;
    case "exit":
      return `#/exit/${at(route.validator)}`;
    case "nowhere":
      return `#/${route.path.replace(/^\//, "")}`;
    default:
      return `#/${route.name}`;
  }
}
