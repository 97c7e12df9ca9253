/** Order of offsets; `Math.min` takes no bigints. */

/** The lower one. */
export function lowerOffset(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

/** The higher one. */
export function higherOffset(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}
