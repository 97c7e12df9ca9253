/** All metrics of a worker, derived from its snapshot when they are asked for: nothing is counted a second time. */

import type { WorkerStatus } from "../runtime/worker-status.ts";
import { flowMetrics, latencyMetric, workerMetrics } from "./flow-metrics.ts";
import { laneMetrics, seriesOf } from "./lane-metrics.ts";
import type { AnyFamily, Granularity } from "./metric.ts";
import { DEFAULT_SERIES_MAX, UnitFolder } from "./units.ts";

/** What to tell. */
export interface WorkerMetricsOptions {
  /** Default `topic`. */
  readonly granularity?: Granularity;
  /** Series of lanes; what is beyond is told as topic `_other`. Default `DEFAULT_SERIES_MAX`. */
  readonly seriesMax?: number;
}

/** Answers the families of a snapshot. Keep it from scrape to scrape: it remembers which topics have series of their own. */
export function workerMetricsOf(options: WorkerMetricsOptions): (status: WorkerStatus) => readonly AnyFamily[] {
  const { granularity = "topic", seriesMax = DEFAULT_SERIES_MAX } = options;
  const folder = new UnitFolder({ granularity, seriesMax, seriesOf });
  return (status) => {
    const { units, folded } = folder.group(status.flows);
    return [
      ...workerMetrics(status, folded),
      ...flowMetrics(status.flows),
      latencyMetric(status.flows),
      ...laneMetrics(units),
    ];
  };
}
