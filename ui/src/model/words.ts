import type {
  AlertKind,
  BeaconState,
  ChannelKind,
  ClusterStage,
  DutyKind,
  DutyStage,
  Flame,
  Grade,
  Mark,
  Mode,
  Reach,
  SeatState,
  SeatView,
  Severity,
} from "$api";

import { t } from "../lib/messages";
import { unreachable } from "../lib/unreachable";

/** What to call an operator: as the node does. */
export function called(seat: SeatView): string {
  return seat.nickname !== null && seat.nickname !== "" ? seat.nickname : t("seat.numbered", { number: seat.number });
}

export function seatState(state: SeatState): string {
  switch (state) {
    case "here":
      return t("seat.here");
    case "slow":
      return t("seat.slow");
    case "dark":
      return t("seat.dark");
    case "unknown":
      return t("seat.unknown");
    default:
      return unreachable(state);
  }
}

export function reach(path: Reach): string {
  switch (path) {
    case "direct":
      return t("reach.direct");
    case "relay":
      return t("reach.relay");
    case "none":
      return t("reach.none");
    default:
      return unreachable(path);
  }
}

export function dutyKind(kind: DutyKind): string {
  switch (kind) {
    case "proposer":
      return t("duty.proposer");
    case "attester":
      return t("duty.attester");
    case "signature":
      return t("duty.signature");
    case "exit":
      return t("duty.exit");
    case "builder_registration":
      return t("duty.builderRegistration");
    case "randao":
      return t("duty.randao");
    case "prepare_aggregator":
      return t("duty.prepareAggregator");
    case "aggregator":
      return t("duty.aggregator");
    case "sync_message":
      return t("duty.syncMessage");
    case "prepare_sync_contribution":
      return t("duty.prepareSyncContribution");
    case "sync_contribution":
      return t("duty.syncContribution");
    case "info_sync":
      return t("duty.infoSync");
    default:
      return unreachable(kind);
  }
}

/** What became of a duty; `delay` is how many slots later the chain had it, where that is known. */
export function markWord(mark: Mark, delay: number | null): string {
  switch (mark) {
    case "waiting":
      return t("mark.waiting");
    case "done":
      return delay === null ? t("mark.done") : t("mark.onChain");
    case "late":
      return t("mark.late", { n: delay ?? 0 });
    case "missed":
      return t("mark.missed");
    default:
      return unreachable(mark);
  }
}

export function stageWord(stage: DutyStage): string {
  switch (stage) {
    case "fetch":
      return t("stage.fetch");
    case "agree":
      return t("stage.agree");
    case "sign":
      return t("stage.sign");
    case "collect":
      return t("stage.collect");
    case "submit":
      return t("stage.submit");
    default:
      return unreachable(stage);
  }
}

export function severityWord(severity: Severity): string {
  switch (severity) {
    case "info":
      return t("severity.info");
    case "warning":
      return t("severity.warning");
    case "critical":
      return t("severity.critical");
    default:
      return unreachable(severity);
  }
}

export function channelWord(kind: ChannelKind): string {
  switch (kind) {
    case "webhook":
      return t("channel.webhook");
    case "ntfy":
      return t("channel.ntfy");
    case "telegram":
      return t("channel.telegram");
    case "email":
      return t("channel.email");
    default:
      return unreachable(kind);
  }
}

export function beaconWord(state: BeaconState): string {
  switch (state) {
    case "unknown":
      return t("beacon.unknown");
    case "ready":
      return t("beacon.ready");
    case "no_execution":
      return t("beacon.noExecution");
    case "syncing":
      return t("beacon.syncing");
    case "other_network":
      return t("beacon.otherNetwork");
    case "silent":
      return t("beacon.silent");
    default:
      return unreachable(state);
  }
}

export function flameWord(flame: Flame): string {
  switch (flame) {
    case "lit":
      return t("flame.lit");
    case "low":
      return t("flame.low");
    case "needs_you":
      return t("flame.needsYou");
    case "working":
      return t("flame.working");
    case "ash":
      return t("flame.ash");
    case "dark":
      return t("flame.dark");
    default:
      return unreachable(flame);
  }
}

export function clusterStage(stage: ClusterStage): string {
  switch (stage) {
    case "unknown":
      return t("cluster.stage.unknown");
    case "queued":
      return t("cluster.stage.queued");
    case "active":
      return t("cluster.stage.active");
    case "exited":
      return t("cluster.stage.exited");
    default:
      return unreachable(stage);
  }
}

export function modeWord(mode: Mode): string {
  switch (mode) {
    case "unknown":
      return t("mode.unknown");
    case "foreground":
      return t("mode.foreground");
    case "while_signed_in":
      return t("mode.whileSignedIn");
    case "always_on":
      return t("mode.alwaysOn");
    default:
      return unreachable(mode);
  }
}

/** Where the alert's trouble can be looked at. */
export type Fix = "misses" | "cluster" | "beacons" | "channels" | "here";

export function fixOf(kind: AlertKind): Fix {
  switch (kind.code) {
    case "duties_missed":
      return "misses";
    case "not_signing":
    case "operator_dark":
    case "peer_slow":
    case "contradicted":
    case "misfit":
    case "relay_only":
      return "cluster";
    case "no_beacon_node":
    case "beacon_node_down":
    case "beacon_node_slow":
      return "beacons";
    case "channel_fails":
      return "channels";
    case "clock_off":
    case "disk_low":
    case "on_battery":
    case "left_out":
      return "here";
    default:
      return unreachable(kind);
  }
}

/** What all alerts of a kind are called; its code where that is of a newer node. */
export function alertKindWord(code: string): string {
  const known = code as AlertKind["code"];
  switch (known) {
    case "not_signing":
      return t("alertKind.notSigning");
    case "duties_missed":
      return t("alertKind.dutiesMissed");
    case "operator_dark":
      return t("alertKind.operatorDark");
    case "no_beacon_node":
      return t("alertKind.noBeaconNode");
    case "beacon_node_down":
      return t("alertKind.beaconNodeDown");
    case "beacon_node_slow":
      return t("alertKind.beaconNodeSlow");
    case "peer_slow":
      return t("alertKind.peerSlow");
    case "clock_off":
      return t("alertKind.clockOff");
    case "disk_low":
      return t("alertKind.diskLow");
    case "on_battery":
      return t("alertKind.onBattery");
    case "channel_fails":
      return t("alertKind.channelFails");
    case "left_out":
      return t("alertKind.leftOut");
    case "contradicted":
      return t("alertKind.contradicted");
    case "misfit":
      return t("alertKind.misfit");
    case "relay_only":
      return t("alertKind.relayOnly");
    default:
      return known satisfies never || code;
  }
}

export function gradeWord(grade: Grade): string {
  switch (grade) {
    case "good":
      return t("grade.good");
    case "amber":
      return t("grade.amber");
    case "red":
      return t("grade.red");
    case "unknown":
      return t("grade.unknown");
    default:
      return unreachable(grade);
  }
}
