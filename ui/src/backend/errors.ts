import type { ErrorCode, UiError } from "$api";

import { t } from "../lib/messages";
import { Failure } from "./backend";

/** Errors that arise on this side of the connection, where the node cannot word them. */
export function ownError(code: "connection_lost" | "not_running" | "internal", details: string | null): UiError {
  switch (code) {
    case "connection_lost":
      return words(code, t("error.lost.what"), t("error.lost.stake"), t("error.lost.remedy"), details);
    case "not_running":
      return words(code, t("error.notRunning.what"), t("error.notRunning.stake"), t("error.notRunning.remedy"), details);
    case "internal":
      return words(code, t("error.window.what"), t("error.window.stake"), t("error.window.remedy"), details);
  }
}

function words(code: ErrorCode, message: string, stake: string, remedy: string, details: string | null): UiError {
  return { code, message, stake, remedy, details };
}

/** Whatever was thrown, in four lines. */
export function asUiError(thrown: unknown): UiError {
  if (thrown instanceof Failure) return thrown.error;
  if (isUiError(thrown)) return thrown;
  return ownError("internal", thrown instanceof Error ? thrown.message : String(thrown));
}

export function isUiError(value: unknown): value is UiError {
  if (typeof value !== "object" || value === null) return false;
  const lines = value as Record<string, unknown>;
  return ["code", "message", "stake", "remedy"].every((line) => typeof lines[line] === "string");
}
