/** What the checks compare: records as an independent client saw them, partition by partition, and what is wrong. */

/** One header; the same key may occur more than once. */
export interface SeenHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** One record as a client read it. */
export interface SeenRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** In the order of the record. */
  readonly headers: readonly SeenHeader[];
  readonly timestampMs: bigint;
  /** The flight number in the value, which identifies a record wherever it is; undefined when the value has none. */
  readonly flight: number | undefined;
}

/** All that a client can read of one partition. */
export interface PartitionContent {
  readonly topic: string;
  readonly partition: number;
  readonly startOffset: bigint;
  /** The offset after the last one. */
  readonly endOffset: bigint;
  /** In the order in which they were read. */
  readonly records: readonly SeenRecord[];
}

/** A source partition and the target partition that mirrors it. */
export interface LaneContent {
  /** Alias of the source region. */
  readonly region: string;
  readonly source: PartitionContent;
  readonly target: PartitionContent;
}

/** What can be wrong: with the copy, with a group's offset, with a translation, with an offloaded record. */
export type AnomalyKind = "lost" | "duplicated" | "reordered" | "mutated" | "group" | "offset" | "cold";

/** One thing that is wrong, with its place. */
export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly flight: number | undefined;
  /** What was expected and what was found. */
  readonly detail: string;
}

/** `lost flights-2@117 flight 4711: ...` */
export function anomalyText(anomaly: Anomaly): string {
  const flight = anomaly.flight === undefined ? "" : ` flight ${anomaly.flight}`;
  return `${anomaly.kind} ${anomaly.topic}-${anomaly.partition}@${anomaly.offset}${flight}: ${anomaly.detail}`;
}

/** An anomaly at a record's place. */
export function anomalyAt(kind: AnomalyKind, record: SeenRecord, detail: string): Anomaly {
  const { topic, partition, offset, flight } = record;
  return { kind, topic, partition, offset, flight, detail };
}

/** The part of a record that differs, or undefined when key, value, headers (and their order) and timestamp are equal. */
export function differingPart(a: SeenRecord, b: SeenRecord): "key" | "value" | "headers" | "timestamp" | undefined {
  if (!sameBytes(a.key, b.key)) return "key";
  if (!sameBytes(a.value, b.value)) return "value";
  if (a.timestampMs !== b.timestampMs) return "timestamp";
  const sameHeaders =
    a.headers.length === b.headers.length &&
    a.headers.every(({ key, value }, i) => {
      const other = b.headers[i];
      return other !== undefined && key === other.key && sameBytes(value, other.value);
    });
  return sameHeaders ? undefined : "headers";
}

/** The records of a partition by flight number; the first occurrence wins. */
export function byFlight(content: PartitionContent): ReadonlyMap<number, SeenRecord> {
  const result = new Map<number, SeenRecord>();
  for (const record of content.records) {
    if (record.flight !== undefined && !result.has(record.flight)) result.set(record.flight, record);
  }
  return result;
}

/** The number of the flight in a value of the flights topic. */
export function flightNumberIn(value: Buffer | null): number | undefined {
  if (value === null) return undefined;
  try {
    const parsed: unknown = JSON.parse(value.toString("utf8"));
    const flight = (parsed as { readonly flight?: unknown } | null)?.flight;
    return typeof flight === "number" ? flight : undefined;
  } catch {
    return undefined;
  }
}

function sameBytes(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
