/** The port through which all code sees chance; a simulator supplies a seeded one. */

import type { Uuid } from "./brand.ts";

/** A source of random numbers. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
}

/** A random integer in [0, limit). */
export function randomInt(random: Random, limit: number): number {
  return Math.floor(random.next() * limit);
}

/** A random Kafka uuid (version 4 as Kafka draws them, URL-safe base64). Never starts with `-`, so that tools accept it as an
 *  argument. Other versions mean something else: see `topic-ids.ts`. */
export function randomUuid(random: Random): Uuid {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const text = bytes.toString("base64url");
  return (text.startsWith("-") ? `A${text.slice(1)}` : text) as Uuid;
}
