import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import catalogue from "$messages";
import { expect, test } from "vitest";

function sources(folder: string): string {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .map((path) => (statSync(path).isDirectory() ? sources(path) : /\.(ts|svelte)$/.test(path) ? readFileSync(path, "utf8") : ""))
    .join("\n");
}

const text = sources("src");

test("every message is said somewhere", () => {
  const stems = [...new Set(Object.keys(catalogue).map((key) => key.replace(/\.(one|other)$/, "")))];
  // The steps of the setup are named by their code.
  const said = (key: string): boolean => text.includes(`"${key}"`) || (/^setup\.[a-z]+$/.test(key) && text.includes("`setup.${step}`"));
  expect(stems.filter((stem) => !said(stem) && !said(`${stem}.one`) && !(`${stem}.one` in catalogue && said(stem)))).toEqual([]);
});

test("a message with a form for one has a form for more", () => {
  const keys = new Set(Object.keys(catalogue));
  const alone = [...keys].filter((key) => key.endsWith(".one") && !keys.has(key.replace(/one$/, "other")));
  expect(alone).toEqual([]);
});

test("nothing is put on the screen as markup", () => {
  expect(text).not.toMatch(/\{@html|innerHTML/);
});
