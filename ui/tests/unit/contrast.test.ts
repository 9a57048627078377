import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

const css = readFileSync("src/styles/tokens.css", "utf8");
const colours = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map(([, name, light, dark]) => [
    name ?? "",
    { light: light ?? "", dark: dark ?? "" },
  ]),
);

/** WCAG 2 relative luminance. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const GROUNDS = ["bg", "surface", "surface-2"];
const WRITTEN = ["text", "text-muted", "ember", "ok", "warn", "bad", "info", "ash"];
const PAIRS: [string, string, number][] = [
  ...WRITTEN.flatMap((word): [string, string, number][] => GROUNDS.map((ground) => [word, ground, 4.5])),
  ...["border-strong", "focus"].flatMap((part): [string, string, number][] => GROUNDS.map((ground) => [part, ground, 3])),
  ...[1, 2, 3, 4, 5, 6, 7].flatMap((n): [string, string, number][] => GROUNDS.map((ground) => [`operator-${n}`, ground, 3])),
  ...["ember", "ok", "warn", "bad", "info"].flatMap((tone): [string, string, number][] => [
    [tone, `${tone}-soft`, 4.5],
    ["text", `${tone}-soft`, 4.5],
  ]),
  ["on-ember", "ember", 4.5],
  ["on-ember", "ember-hover", 4.5],
  ["on-info", "info", 4.5],
  ["on-info", "info-hover", 4.5],
  ["on-bad", "bad", 4.5],
];

describe("every pair of colours that meets can be read", () => {
  for (const theme of ["light", "dark"] as const) {
    test.each(PAIRS)(`${theme}: %s on %s is at least %d`, (front, back, least) => {
      const [a, b] = [colours.get(front), colours.get(back)];
      if (a === undefined || b === undefined) throw new Error(`no token ${front} or ${back}`);
      expect(contrast(a[theme], b[theme])).toBeGreaterThanOrEqual(least);
    });
  }
});
