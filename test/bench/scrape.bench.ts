/** What a scrape of a worker's metrics costs: the event loop is blocked for as long. */

import { prometheusText } from "../../src/web/prometheus-text.ts";
import { workerMetricsOf } from "../../src/web/worker-metrics.ts";
import { flowOf, laneOf, workerOf } from "../unit/web/snapshots.ts";
import { medianCost, printRows, type Row } from "./measure.ts";

const TOPICS = 10;
const PARTITIONS = 100;

/** A snapshot of 1,000 lanes as text, by topic and by partition. */
export async function benchScrape(): Promise<void> {
  const lanes = Array.from({ length: TOPICS }, (_, topic) =>
    Array.from({ length: PARTITIONS }, (_, partition) => laneOf(`t${topic}`, partition)),
  ).flat();
  const status = workerOf([flowOf(lanes)]);
  const rows: Row[] = [];
  for (const granularity of ["topic", "partition"] as const) {
    const familiesOf = workerMetricsOf({ granularity, seriesMax: 100_000 });
    const cost = await medianCost(async () => {
      await prometheusText(familiesOf(status));
    });
    rows.push({
      what: `1,000 lanes, by ${granularity}`,
      value: cost.wallSeconds * 1_000,
      unit: "ms",
      budget: "< 100 ms",
    });
  }
  printRows("Scrape of a worker's metrics", rows);
}
