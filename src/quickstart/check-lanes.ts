/** Is the copy right: every record of a lane's source once in its target, in source order, equal in every part. */

import {
  type Anomaly,
  anomalyAt,
  differingPart,
  type LaneContent,
  type PartitionContent,
  type SeenRecord,
} from "./records.ts";

/** What a comparison of lanes found. */
export interface LanesFinding {
  /** Source records that the target holds at least once. */
  readonly mirrored: number;
  readonly anomalies: readonly Anomaly[];
}

/** Compares each lane's two sides by the identity of the records (their flight number), never by offset. */
export function checkLanes(lanes: readonly LaneContent[]): LanesFinding {
  const anomalies: Anomaly[] = [];
  let mirrored = 0;
  for (const lane of lanes) {
    const copies = copiesOf(lane, anomalies);
    for (const [place, record] of lane.source.records.entries()) {
      const [first, ...repeats] = copies.get(place) ?? [];
      if (first === undefined) {
        anomalies.push(anomalyAt("lost", record, `not in ${lane.target.topic}-${lane.target.partition}`));
        continue;
      }
      mirrored++;
      for (const repeat of repeats) {
        anomalies.push(anomalyAt("duplicated", repeat, `already at offset ${first.offset}`));
      }
      const part = differingPart(record, first);
      if (part !== undefined) anomalies.push(anomalyAt("mutated", first, `its ${part} differs from the source's`));
    }
    checkOrder(lane, copies, anomalies);
  }
  return { mirrored, anomalies };
}

/** The target's records by the place in the source of the record they are a copy of. */
function copiesOf(lane: LaneContent, anomalies: Anomaly[]): Map<number, SeenRecord[]> {
  const placeOf = new Map<number, number>();
  for (const [place, { flight }] of lane.source.records.entries()) {
    if (flight !== undefined) placeOf.set(flight, place);
  }
  const copies = new Map<number, SeenRecord[]>();
  for (const record of lane.target.records) {
    const place = record.flight === undefined ? undefined : placeOf.get(record.flight);
    if (place === undefined) {
      anomalies.push(anomalyAt("mutated", record, `no record of ${lane.region} ${lane.source.topic} is like it`));
      continue;
    }
    const known = copies.get(place);
    if (known === undefined) copies.set(place, [record]);
    else known.push(record);
  }
  return copies;
}

/** A record is out of order when one that the source holds later stands before it. Repeats are counted elsewhere. */
function checkOrder(lane: LaneContent, copies: ReadonlyMap<number, readonly SeenRecord[]>, anomalies: Anomaly[]): void {
  const firsts = [...copies.entries()].sort(([, [a]], [, [b]]) => Number((a?.offset ?? 0n) - (b?.offset ?? 0n)));
  let latestPlace = -1;
  for (const [place, [record]] of firsts) {
    if (place < latestPlace && record !== undefined) {
      const before = lane.source.records[latestPlace]?.flight;
      anomalies.push(
        anomalyAt("reordered", record, `flight ${before}, which the source holds later, stands before it`),
      );
    }
    latestPlace = Math.max(latestPlace, place);
  }
}

/** Does the source itself hold what was sent: each record once, per partition in the order of sending, and equal?
 *  The other checks take the source as the truth, so this one comes first. */
export function checkSource(sent: readonly SeenRecord[], content: readonly PartitionContent[]): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  const found = new Map<number, SeenRecord>();
  for (const record of content.flatMap(({ records }) => records)) {
    if (record.flight === undefined) continue;
    if (found.has(record.flight)) anomalies.push(anomalyAt("duplicated", record, "the source holds it twice"));
    else found.set(record.flight, record);
  }
  const lastOffset = new Map<number, bigint>();
  for (const record of sent) {
    const held = record.flight === undefined ? undefined : found.get(record.flight);
    if (held === undefined) {
      anomalies.push(anomalyAt("lost", record, "sent and acknowledged, but the source does not hold it"));
      continue;
    }
    const part = differingPart(record, held);
    if (part !== undefined) anomalies.push(anomalyAt("mutated", held, `its ${part} differs from what was sent`));
    if (held.offset <= (lastOffset.get(held.partition) ?? -1n)) {
      anomalies.push(anomalyAt("reordered", held, "the source holds it before one that was sent earlier"));
    }
    lastOffset.set(held.partition, held.offset);
  }
  return anomalies;
}
