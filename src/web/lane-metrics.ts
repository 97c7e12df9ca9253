/** Metrics of lanes, summed up by topic or by partition. */

import type { Counts, LaneSnapshot } from "../runtime/worker-status.ts";
import type { MetricFamily } from "./metric.ts";
import type { Unit } from "./units.ts";

/** A number for the lanes of a unit; undefined when it is not known. */
type One = (lanes: readonly LaneSnapshot[]) => number | undefined;
/** A number for each value of one more label; zeros are left out, because most units never see most reasons. */
interface Many {
  readonly label: string;
  readonly of: (lanes: readonly LaneSnapshot[]) => Readonly<Record<string, number>>;
}

interface Definition {
  readonly name: string;
  readonly type: MetricFamily["type"];
  readonly help: string;
  readonly value: One | Many;
  /** Labels with one value only, for names that others will join. */
  readonly fixed?: Readonly<Record<string, string>>;
}

const DEFINITIONS: readonly Definition[] = [
  {
    name: "tributary_mirror_lag_records",
    type: "gauge",
    help: "Source offsets between the next one to be copied and the end that read_committed consumers see.",
    value: known((lane) => lane.lagRecords, sum),
  },
  {
    name: "tributary_mirror_lag_seconds",
    type: "gauge",
    help: "How long the oldest record that is not copied has been there; 0 when caught up. The largest of the lanes.",
    value: known((lane) => (lane.behindMs === null ? null : lane.behindMs / 1_000), max),
  },
  {
    name: "tributary_mirror_lag_bytes",
    type: "gauge",
    help: "Lag in records times the mean size of the records copied so far: an estimate.",
    value: known((lane) => lane.lagBytes, sum),
  },
  {
    name: "tributary_mirror_records_total",
    type: "counter",
    help: "Records acknowledged by the target, each counted once.",
    fixed: { stage: "written" },
    value: total((lane) => lane.forwardedRecords),
  },
  {
    name: "tributary_mirror_bytes_total",
    type: "counter",
    help: "Bytes of record batches acknowledged by the target, compressed as they are.",
    fixed: { stage: "written" },
    value: total((lane) => lane.forwardedBytes),
  },
  {
    name: "tributary_mirror_batches_total",
    type: "counter",
    help: "Record batches acknowledged by the target.",
    fixed: { stage: "written" },
    value: total((lane) => lane.forwardedBatches),
  },
  {
    name: "tributary_mirror_records_lost_total",
    type: "counter",
    help: "Source offsets that were gone (retention, DeleteRecords) before they could be copied, and were passed over by policy.",
    value: total((lane) => lane.lostOffsets),
  },
  {
    name: "tributary_mirror_lanes",
    type: "gauge",
    help: "Lanes (partitions) by what they are doing.",
    value: { label: "state", of: tally((lane) => lane.state) },
  },
  {
    name: "tributary_mirror_lanes_held",
    type: "gauge",
    help: "Lanes that stand, wait or recover, by the reason; mirror status tells the reason in words.",
    value: { label: "reason", of: tally((lane) => (lane.reasonCode === null ? undefined : slug(lane.reasonCode))) },
  },
  {
    name: "tributary_mirror_batches_skipped_total",
    type: "counter",
    help: "Source batches not to be copied, by reason: transaction markers, aborted data, written by another lane, empty, behind the position, filtered as a whole.",
    value: { label: "reason", of: (lanes) => addUp(lanes.map((lane) => lane.skippedBatches)) },
  },
  {
    name: "tributary_mirror_records_skipped_total",
    type: "counter",
    help: "Source records that are not to be copied, by reason: of an aborted transaction, written there by another lane, left out by the filter.",
    value: { label: "reason", of: (lanes) => addUp(lanes.flatMap(skippedRecords)) },
  },
  {
    name: "tributary_mirror_records_filtered_total",
    type: "counter",
    help: "Source records that the mirror's filter left out, by its rule: key, keyless, header, tombstone, sample.",
    value: { label: "rule", of: (lanes) => addUp(lanes.map((lane) => lane.filteredRecords)) },
  },
];

/** The families of all units. */
export function laneMetrics(units: readonly Unit[]): readonly MetricFamily[] {
  return DEFINITIONS.map(({ name, type, help, value, fixed = {} }) => ({
    name,
    type,
    help,
    samples: units.flatMap(({ labels: own, lanes }) => {
      const labels = { ...own, ...fixed };
      if (typeof value !== "function") {
        const counts = Object.entries(value.of(lanes)).filter(([, count]) => count > 0);
        return counts.map(([of, count]) => ({ labels: { ...labels, [value.label]: of }, value: count }));
      }
      const number = value(lanes);
      return number === undefined ? [] : [{ labels, value: number }];
    }),
  }));
}

/** Series that `laneMetrics` tells of a unit at present. */
export function seriesOf(lanes: readonly LaneSnapshot[]): number {
  return DEFINITIONS.reduce((count, { value }) => {
    if (typeof value === "function") return count + (value(lanes) === undefined ? 0 : 1);
    return count + Object.values(value.of(lanes)).filter((number) => number > 0).length;
  }, 0);
}

function skippedRecords({ skippedRecords: counts, filteredRecords }: LaneSnapshot): readonly Counts[] {
  const filter = Object.values(filteredRecords).reduce((all, count) => all + count, 0);
  return [counts, { filter }];
}

/** Counts of several lanes together. */
export function addUp(counts: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const each of counts) {
    for (const key in each) sums[key] = (sums[key] ?? 0) + (each[key] ?? 0);
  }
  return sums;
}

/** `SOURCE_GAP` as a label value. */
export function slug(code: string): string {
  return code.toLowerCase().replaceAll("_", "-");
}

function known(value: (lane: LaneSnapshot) => number | null, over: (values: readonly number[]) => number): One {
  return (lanes) => {
    const values = lanes.map(value).filter((each) => each !== null);
    return values.length === 0 ? undefined : over(values);
  };
}

function total(value: (lane: LaneSnapshot) => number): One {
  return (lanes) => sum(lanes.map(value));
}

function tally(value: (lane: LaneSnapshot) => string | undefined): Many["of"] {
  return (lanes) => {
    const counts: Record<string, number> = {};
    for (const lane of lanes) {
      const key = value(lane);
      if (key !== undefined) counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function max(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0);
}
