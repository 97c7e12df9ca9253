/** The smaller and the larger of two offsets: Math.min and Math.max refuse bigints. */

/** The smaller one. */
export function earlier(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

/** The larger one. */
export function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}
