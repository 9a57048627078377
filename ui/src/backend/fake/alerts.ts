import type { Alert, AlertKind, Severity } from "$api";

/** An alert as the node would word it; see alerts.rs of hearth-api. */
export function alert(kind: AlertKind, severity: Severity, cluster: string | null, sinceMs: number): Alert {
  const [title, text, action] = words(kind);
  return {
    kind,
    cluster,
    severity,
    since_ms: sinceMs,
    recovering_since_ms: null,
    resolved_ms: null,
    title,
    text,
    action,
    why: "Told when it lasts for 3 minutes. Over when it was so no more for 1 minute.",
    rests: null,
  };
}

function words(kind: AlertKind): [string, string, string | null] {
  switch (kind.code) {
    case "not_signing":
      return [
        "Not enough operators to sign",
        `${kind.here} operators are here, ${kind.needed} are needed. Not here: ${kind.missing.join(", ")}. Until then ` +
          "every duty is missed, each at a small loss. Nothing else is at risk.",
        null,
      ];
    case "operator_dark":
      return [
        `${kind.name} is dark`,
        `${kind.name} was not seen for a while. Your validator goes on with ${kind.here} operators, ${kind.needed} are ` +
          "needed. If one more goes dark, it stops until someone returns.",
        null,
      ];
    case "beacon_node_down":
      return [
        "A beacon node cannot be used",
        `${kind.url} does not answer, or does not follow the chain. Another one does its work; duties go on.`,
        "Start or repair it.",
      ];
    case "left_out":
      return [
        `The cluster in ${kind.folder} does not run`,
        `${kind.reason}. This node takes no part in its duties; its other operators go on if enough of them are here. The other clusters of this node are not concerned.`,
        "Put that right, then stop the node and start it again.",
      ];
    case "relay_only":
      return [
        `${kind.name} is reached through a relay only`,
        `There is no direct path to ${kind.name}. Duties go on, a little slower, and depend on the relay.`,
        null,
      ];
    default:
      return [`An alert of kind ${kind.code}`, "What it means for the stake.", null];
  }
}
