/** Lanes made up for the tests of the checks: a source of numbered flights and a target that may be wrong on purpose. */

import type { LaneContent, PartitionContent, SeenRecord } from "../../../src/quickstart/records.ts";

/** A record of flight `flight` at `offset`; the same flight has the same content everywhere. */
export function record(flight: number, offset: number, change: Partial<SeenRecord> = {}): SeenRecord {
  return {
    topic: "flights",
    partition: 0,
    offset: BigInt(offset),
    key: Buffer.from("DTW"),
    value: Buffer.from(`{"flight":${flight}}`),
    headers: [{ key: "delayed", value: Buffer.from(String(flight)) }],
    timestampMs: 1_700_000_000_000n + BigInt(flight),
    flight,
    ...change,
  };
}

/** A partition that ends one after its last record. */
export function partition(records: readonly SeenRecord[], topic = "flights"): PartitionContent {
  const renamed = records.map((one) => ({ ...one, topic }));
  const last = renamed.at(-1);
  return {
    topic,
    partition: 0,
    startOffset: 0n,
    endOffset: last === undefined ? 0n : last.offset + 1n,
    records: renamed,
  };
}

/** A source of the flights 1 to 5 at offsets 0 to 4, and the given target. */
export function lane(target: readonly SeenRecord[], source: readonly SeenRecord[] = faithful(5)): LaneContent {
  return { region: "us-west", source: partition(source), target: partition(target, "us-west.flights") };
}

/** The flights 1 to `count` at offsets from `firstOffset` on. */
export function faithful(count: number, firstOffset = 0): SeenRecord[] {
  return Array.from({ length: count }, (_, index) => record(index + 1, firstOffset + index));
}

/** Kind and flight of each anomaly: the facts, without the words. */
export function facts(
  anomalies: readonly { readonly kind: string; readonly flight: number | undefined }[],
): readonly string[] {
  return anomalies.map(({ kind, flight }) => `${kind} ${flight ?? "none"}`);
}
