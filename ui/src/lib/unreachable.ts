/** Ends a `switch` over a union: a new member of it fails to compile here. */
export function unreachable(value: never): never {
  throw new Error(`not a known case: ${JSON.stringify(value)}`);
}
