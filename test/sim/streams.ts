/** Chance, one stream per purpose: taking a fault out of a plan leaves every other draw as it was, so that plans can be shrunk. */

import type { Random } from "../../src/core/random.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Gives the stream of a label; asked twice, it begins anew. */
export type Streams = (label: string) => Random;

/** All streams of a seed. */
export function streamsOf(seed: number): Streams {
  return (label) => seededRandom(mixed(label, seed));
}

/** FNV-1a over the label, started from the seed. */
function mixed(label: string, seed: number): number {
  let hash = (0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1)) >>> 0;
  for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
