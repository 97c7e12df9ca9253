/** What is sent, decided by a seed: sizes, codecs, keys, headers, null values. */

import type { Random } from "../../src/core/random.ts";
import { between, oneOf } from "./chance.ts";

/** One record to be sent; `size` bytes of value, or null. */
export interface PlannedRecord {
  readonly key: string | null;
  readonly value: string | null;
  /** Beside `id`; repeated keys and empty values among them. */
  readonly headers: Readonly<Record<string, string | string[]>>;
}

/** One batch. */
export interface PlannedSend {
  readonly partition: number;
  /** Kafka's number of the codec: none, gzip, snappy, lz4, zstd. */
  readonly codec: 0 | 1 | 2 | 3 | 4;
  /** Records of 2001, which no target's producer state remembers, or of now. */
  readonly age: "2001" | "now";
  readonly records: readonly PlannedRecord[];
}

const CODECS = [0, 1, 2, 3, 4] as const;
/** From this partition on batches are of 2001, and from the next one on now and then; the ones before hold records of now alone. */
const OLD_FROM = 6;
const MIXED_FROM = 9;
const OLD_SHARE = 0.3;
/** Text that compresses to about a half; values are cut from it anywhere. */
const FILLER_BYTES = 1 << 18;
/** Keys come back, as in real topics. */
const KEYS = 200;
/** A batch of many small records, and one of few large ones; both stay under the default limit of 1 MiB. */
const MANY_MAX = 1_000;
const LARGE_BYTES = [20_000, 100_000] as const;

/** Text to cut values from. */
export function filler(random: Random): string {
  return Buffer.from(random.bytes(FILLER_BYTES / 2)).toString("hex");
}

/** The next batch for one of the partitions. Half hold a single record, some a thousand, some half a MiB. */
export function nextSend(random: Random, text: string, partitions: readonly [number, ...number[]]): PlannedSend {
  const kind = random.next();
  const [count, bytes] =
    kind < 0.5
      ? [1, between(random, 0, 300)]
      : kind < 0.9
        ? [between(random, 2, 40), between(random, 10, 600)]
        : kind < 0.96
          ? [between(random, 300, MANY_MAX), between(random, 0, 60)]
          : [between(random, 1, 5), between(random, ...LARGE_BYTES)];
  const partition = oneOf(random, partitions);
  const isOld = partition >= MIXED_FROM ? random.next() < OLD_SHARE : partition >= OLD_FROM;
  return {
    partition,
    age: isOld ? "2001" : "now",
    codec: oneOf(random, CODECS),
    records: Array.from({ length: count }, () => nextRecord(random, text, bytes)),
  };
}

/** One record with a value of about `bytes`. */
export function nextRecord(random: Random, text: string, bytes: number): PlannedRecord {
  const from = Math.floor(random.next() * (text.length - bytes));
  const trace = random.next();
  return {
    key: random.next() < 0.2 ? null : `key-${between(random, 1, KEYS)}`,
    value: random.next() < 0.03 ? null : text.slice(from, from + bytes),
    headers: trace < 0.7 ? {} : trace < 0.85 ? { trace: ["one", "two"] } : { empty: "", source: "chaos" },
  };
}
