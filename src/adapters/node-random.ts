/** The randomness of this process. */

import { randomBytes } from "node:crypto";
import type { Random } from "../core/random.ts";

/** Unseeded; `bytes` comes from the operating system's generator. */
export function nodeRandom(): Random {
  return { next: () => Math.random(), bytes: (length) => randomBytes(length) };
}
