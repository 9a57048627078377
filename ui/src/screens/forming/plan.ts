import { INVITATION } from "../../lib/router";

/** Partial signatures that a cluster of this size needs: two thirds, rounded up. */
export function needed(operators: number): number {
  return Math.ceil((operators * 2) / 3);
}

/** What somebody types to show that he has looked at an address. */
export function lastSix(address: string): string {
  return address.trim().slice(-6).toLowerCase();
}

/** A text that was given; `null` for none. */
export function given(text: string): string | null {
  return text.trim() === "" ? null : text.trim();
}

/** Whether a text may have an invitation in it: as a link, or as the address of a page that hands it on. */
export function mayInvite(text: string): boolean {
  return text.includes(INVITATION) || /https:\/\/\S*#\d+\./.test(text);
}
