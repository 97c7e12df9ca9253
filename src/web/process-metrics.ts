/** Metrics of the process under the names that dashboards know. Few and cheap: no histogram of the event loop, which would cost more
 *  than all the others together. */

import { performance } from "node:perf_hooks";
import type { MetricFamily } from "./metric.ts";

/** The families. */
export function processMetrics(): readonly MetricFamily[] {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const one = (type: MetricFamily["type"], name: string, help: string, value: number): MetricFamily => ({
    type,
    name,
    help,
    samples: [{ labels: {}, value }],
  });
  const { utilization } = performance.eventLoopUtilization();
  return [
    one("counter", "process_cpu_seconds_total", "CPU time, user and system.", (user + system) / 1e6),
    one("gauge", "process_resident_memory_bytes", "Resident memory.", rss),
    one("gauge", "process_start_time_seconds", "When the process started.", performance.timeOrigin / 1_000),
    one("gauge", "nodejs_heap_size_used_bytes", "JavaScript heap in use.", heapUsed),
    one(
      "gauge",
      "nodejs_eventloop_utilization_ratio",
      "Share of time that the event loop was busy, since the start.",
      utilization,
    ),
  ];
}
