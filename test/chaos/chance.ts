/** Chance that can be repeated: one stream per label, so that a change in one part leaves the others as they were. */

import { createHash } from "node:crypto";
import type { Random } from "../../src/core/random.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** The stream of one part of a run. */
export function streamOf(seed: number, label: string): Random {
  return seededRandom(createHash("sha256").update(`${seed}/${label}`).digest().readUInt32BE());
}

/** One of the values. */
export function oneOf<T>(random: Random, values: readonly [T, ...T[]]): T {
  return values[Math.floor(random.next() * values.length)] ?? values[0];
}

/** A whole number from `min` to `max`, both included. */
export function between(random: Random, min: number, max: number): number {
  return min + Math.floor(random.next() * (max - min + 1));
}
