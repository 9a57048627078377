import catalogue from "$messages";

/** Every sentence that the window says by itself. A key that the catalogue lacks does not compile. */
export type MessageKey = keyof typeof catalogue;

type Counted<Key> = Key extends `${infer Stem}.one` ? Stem : never;
/** A message with a form for one and a form for more. */
export type CountedKey = Counted<MessageKey>;

export type Words = Record<string, string | number>;

/** The message with its `{places}` filled in. */
export function t(key: MessageKey, words: Words = {}): string {
  return catalogue[key].replace(/\{(\w+)\}/g, (place, name: string) => {
    const word = words[name];
    return word === undefined ? place : String(word);
  });
}

const plural = new Intl.PluralRules("en");

/** The form of a message that fits the number, which fills its `{n}`. */
export function count(key: CountedKey, n: number, words: Words = {}): string {
  const form: MessageKey = plural.select(n) === "one" ? `${key}.one` : `${key}.other`;
  return t(form, { n, ...words });
}
