import type { NetworkView } from "$api";

import { count, t } from "./messages";

const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const exactTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const whole = new Intl.NumberFormat("en-GB");

/** Hours and minutes on this computer's clock. */
export function atClock(ms: number): string {
  return clockTime.format(ms);
}

/** The same with seconds. */
export function atExactClock(ms: number): string {
  return exactTime.format(ms);
}

/** The hour alone on the day of `nowMs`, else with the day. */
export function when(ms: number, nowMs: number): string {
  const [then, today] = [day.format(ms), day.format(nowMs)];
  return then === today ? atClock(ms) : `${then}, ${atClock(ms)}`;
}

/** How long, in the largest unit that says enough: "40 seconds", "12 minutes", "3 hours", "2 days". */
export function howLong(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return count("time.seconds", seconds);
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return count("time.minutes", minutes);
  const hours = Math.round(minutes / 60);
  if (hours < 48) return count("time.hours", hours);
  return count("time.days", Math.round(hours / 24));
}

/** The time since, as people say it. */
export function ago(ms: number, nowMs: number): string {
  const past = nowMs - ms;
  return past < 5_000 ? t("time.now") : t("time.ago", { long: howLong(past) });
}

/** Time left as on a kitchen clock: "3:12", "1:04:09". Zero when it is over. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (part: number): string => String(part).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Milliseconds into a slot, with the unit that fits. */
export function span(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** A whole number with separators. Takes a slot as it travels: a string. */
export function grouped(number: number | string): string {
  return typeof number === "string" ? whole.format(BigInt(number)) : whole.format(number);
}

/** A hash or key short enough for a line: "0x8d30…9a87". */
export function short(hash: string): string {
  const bare = hash.replace(/^0x/, "");
  return bare.length <= 12 ? `0x${bare}` : `0x${bare.slice(0, 4)}…${bare.slice(-4)}`;
}

/** The epoch of a slot. Slots are counted exactly, however large. */
export function epochOf(slot: string, network: NetworkView): string {
  return (BigInt(slot) / BigInt(network.slots_per_epoch)).toString();
}

/** A clock's difference with its sign. */
export function offset(ms: number): string {
  if (ms === 0) return "0 ms";
  return ms > 0 ? `+${ms} ms` : `−${-ms} ms`;
}

/** The length of a file. */
export function bytes(n: number): string {
  if (n < 10_000) return t("size.bytes", { n: grouped(n) });
  return n < 10_000_000 ? t("size.kb", { n: grouped(Math.round(n / 1_000)) }) : t("size.mb", { n: grouped(Math.round(n / 1_000_000)) });
}
