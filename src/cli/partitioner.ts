/** Which partition a record goes to: as Kafka's Java client decides, so that all clients agree on where a key lives. */

import type { Random } from "../core/random.ts";
import { randomInt } from "../core/random.ts";

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/** 32-bit murmur2 as in Kafka's `Utils.murmur2`, as a signed integer. */
export function murmur2(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  let hash = (SEED ^ key.length) | 0;
  const whole = key.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    let k = Math.imul(view.getInt32(at, true), M);
    k ^= k >>> R;
    hash = Math.imul(hash, M) ^ Math.imul(k, M);
  }
  const rest = key.length - whole;
  if (rest > 2) hash ^= view.getUint8(whole + 2) << 16;
  if (rest > 1) hash ^= view.getUint8(whole + 1) << 8;
  if (rest > 0) {
    hash ^= view.getUint8(whole);
    hash = Math.imul(hash, M);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

/** Chooses partitions: by key where there is one, else one partition for each chunk of records ("sticky"), so that batches fill. */
export function createPartitioner(random: Random): {
  partition(key: Uint8Array | null, partitions: number): number;
  /** Call after a batch of records without a key was sent. */
  nextSticky(): void;
} {
  let sticky: number | undefined;
  return {
    partition(key, partitions) {
      if (key !== null) return (murmur2(key) & 0x7fffffff) % partitions;
      sticky ??= randomInt(random, partitions);
      return sticky % partitions;
    },
    nextSticky() {
      sticky = undefined;
    },
  };
}
