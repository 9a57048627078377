/** The part of a long list that can be seen, and a little around it: from `first` up to but without `end`. */
export type Range = { first: number; end: number };

const AROUND = 6;

export function visible(scrolled: number, viewport: number, size: number, count: number): Range {
  const first = Math.max(0, Math.floor(scrolled / size) - AROUND);
  const end = Math.min(count, Math.ceil((scrolled + viewport) / size) + AROUND);
  return { first: Math.min(first, count), end: Math.max(end, Math.min(first, count)) };
}
