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

/** A random Kafka uuid (16 bytes, URL-safe base64). Never starts with `-`, so that tools accept it as an argument. */
export function randomUuid(random: Random): Uuid {
  const text = Buffer.from(random.bytes(16)).toString("base64url");
  return (text.startsWith("-") ? `A${text.slice(1)}` : text) as Uuid;
}
