/** Is the translation right, both ways, for every offset there is, compared with truth from the records themselves. */

import {
  type Anomaly,
  anomalyAt,
  byFlight,
  type LaneContent,
  type PartitionContent,
  type SeenRecord,
} from "./records.ts";

/** A lane's translation as the product answers it. Undefined means that it has no answer, which is wrong here: the
 *  check only asks for offsets that both sides hold. */
export interface OffsetTranslator {
  /** The target offset at which a reader whose next source offset is `sourceNext` has to go on. */
  translate(sourceNext: bigint): bigint | undefined;
  /** The source offset at which a reader whose next target offset is `targetNext` has to go on. */
  reverse(targetNext: bigint): bigint | undefined;
}

/** What asking for every offset found. */
export interface OffsetsFinding {
  /** Questions asked, both directions. */
  readonly checked: number;
  readonly anomalies: readonly Anomaly[];
}

/** Asks for each offset from the start of a partition to its end, the end included, in both directions. Truth: the place
 *  of the copy of the first record at or after the offset; when there is none, the offset after the other side's last. */
export function checkOffsets(
  lanes: readonly LaneContent[],
  translatorOf: (lane: LaneContent) => OffsetTranslator,
): OffsetsFinding {
  const anomalies: Anomaly[] = [];
  let checked = 0;
  for (const lane of lanes) {
    const translator = translatorOf(lane);
    const forward = expectations(lane.source, lane.target);
    for (const { offset, wanted, next } of forward) {
      compare(lane.source, { offset, wanted, next, given: translator.translate(offset) }, anomalies);
    }
    const backward = expectations(lane.target, lane.source);
    for (const { offset, wanted, next } of backward) {
      compare(lane.target, { offset, wanted, next, given: translator.reverse(offset) }, anomalies);
    }
    checked += forward.length + backward.length;
  }
  return { checked, anomalies };
}

interface Expectation {
  readonly offset: bigint;
  readonly wanted: bigint;
  /** The next unread record at this offset; undefined at the end. */
  readonly next: SeenRecord | undefined;
}

/** For every offset of `from`, where its next unread record is in `to`; from the end backwards, so one pass does. */
function expectations(from: PartitionContent, to: PartitionContent): readonly Expectation[] {
  const copies = byFlight(to);
  const last = to.records.at(-1);
  let wanted = last === undefined ? to.endOffset : last.offset + 1n;
  let next: SeenRecord | undefined;
  let place = from.records.length - 1;
  const result: Expectation[] = [];
  for (let offset = from.endOffset; offset >= from.startOffset; offset--) {
    const record = from.records[place];
    if (record !== undefined && record.offset === offset) {
      place--;
      const copy = record.flight === undefined ? undefined : copies.get(record.flight);
      // A record that was never copied is "lost", which is another check's finding; readers go on at the one after it.
      if (copy !== undefined) {
        wanted = copy.offset;
        next = record;
      }
    }
    result.push({ offset, wanted, next });
  }
  return result.reverse();
}

function compare(
  from: PartitionContent,
  answer: Expectation & { readonly given: bigint | undefined },
  anomalies: Anomaly[],
): void {
  const { offset, wanted, given, next } = answer;
  if (given === wanted) return;
  const detail = `translates to ${given ?? "nothing"}, but the next unread record is at ${wanted}`;
  if (next !== undefined) anomalies.push({ ...anomalyAt("offset", next, detail), offset });
  else {
    const { topic, partition } = from;
    anomalies.push({ kind: "offset", topic, partition, offset, flight: undefined, detail });
  }
}
