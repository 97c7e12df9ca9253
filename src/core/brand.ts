/** Branded primitives: a topic id is not any string, a region is not a topic. */

declare const brand: unique symbol;

/** What sets a branded primitive apart; an interface, so that the package's declaration files can name it. */
export interface Branded<Name extends string> {
  readonly [brand]: Name;
}

/** A primitive that only a named constructor (or a cast at the edge) turns into this meaning. */
export type Brand<T, Name extends string> = T & Branded<Name>;

/** Alias of a Kafka cluster in a topology, for example `us-west`. */
export type RegionId = Brand<string, "RegionId">;

/** 16 bytes in Kafka's own notation: URL-safe base64 without padding, 22 characters. */
export type Uuid = Brand<string, "Uuid">;

/** Kafka's absent uuid: 16 zero bytes. */
export const ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA" as Uuid;
