/** Are offloaded records still there: read back through the broker, at their original offsets, unchanged. */

import { type Anomaly, anomalyAt, differingPart, type PartitionContent, type SeenRecord } from "./records.ts";

/** A stretch of a partition whose local copy is gone. */
export interface ColdRange {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset: bigint;
  /** The last offset in it. */
  readonly lastOffset: bigint;
}

/** What reading back found. */
export interface ColdFinding {
  /** Offloaded records that came back. */
  readonly coldRecordsRead: number;
  readonly anomalies: readonly Anomaly[];
}

/** Compares what was read before the offload with what is read after it, within the offloaded ranges. */
export function checkCold(
  ranges: readonly ColdRange[],
  before: readonly PartitionContent[],
  after: readonly PartitionContent[],
): ColdFinding {
  const anomalies: Anomaly[] = [];
  let coldRecordsRead = 0;
  for (const range of ranges) {
    const wanted = recordsIn(range, before);
    const got = new Map(recordsIn(range, after).map((record) => [record.offset, record]));
    for (const record of wanted) {
      const back = got.get(record.offset);
      got.delete(record.offset);
      if (back === undefined) {
        anomalies.push(anomalyAt("cold", record, "offloaded, and not read back"));
        continue;
      }
      coldRecordsRead++;
      const part = differingPart(record, back);
      if (part !== undefined) anomalies.push(anomalyAt("cold", back, `its ${part} changed by the offload`));
    }
    for (const extra of got.values()) anomalies.push(anomalyAt("cold", extra, "read back, but never was there"));
  }
  return { coldRecordsRead, anomalies };
}

function recordsIn(range: ColdRange, contents: readonly PartitionContent[]): readonly SeenRecord[] {
  return contents
    .filter(({ topic, partition }) => topic === range.topic && partition === range.partition)
    .flatMap(({ records }) => records)
    .filter(({ offset }) => offset >= range.baseOffset && offset <= range.lastOffset);
}
