/** An offloader seen from outside: `/metrics` by topic, `/healthz`, and `/api/status` by partition. */

import { renderJson } from "../core/json-output.ts";
import type { Endpoint } from "../core/network.ts";
import { type OffloaderStatus, type TierRow, tierLag, tierRowJson, tierRuleJson } from "../runtime/tier-status-json.ts";
import { HttpServer, type PageMaker, textPage } from "./http-server.ts";
import type { MetricFamily } from "./metric.ts";
import { processMetrics } from "./process-metrics.ts";
import { METRICS_CONTENT_TYPE, prometheusText } from "./prometheus-text.ts";
import { tierRuleMetrics } from "./tier-rule-metrics.ts";
import { DEFAULT_SERIES_MAX } from "./units.ts";

const INDEX = `tributary tier offload
  /metrics     for Prometheus
  /healthz     200 while the process is alive
  /api/status  each partition and rule as tributary tier offload -o json tells it
`;

/** Whatever is beyond the most series. */
const OTHER_TOPICS = "_other";

/** Listens. @throws {NetworkError} */
export function openTierHttp(endpoint: Endpoint, status: () => Promise<OffloaderStatus>): Promise<HttpServer> {
  return HttpServer.open(endpoint, tierPages(status));
}

/** The pages by path. */
export function tierPages(status: () => Promise<OffloaderStatus>): Readonly<Record<string, PageMaker>> {
  return {
    "/": () => textPage(200, INDEX),
    "/healthz": () => textPage(200, "ok\n"),
    "/metrics": async () => {
      const { partitions, rules } = await status();
      const families = [...tierMetrics(partitions, Date.now()), ...tierRuleMetrics(rules), ...processMetrics()];
      return { status: 200, contentType: METRICS_CONTENT_TYPE, body: await prometheusText(families) };
    },
    "/api/status": async () => {
      const { partitions, rules } = await status();
      const body = `${renderJson({ partitions: partitions.map(tierRowJson), rules: rules.map(tierRuleJson) })}\n`;
      return { status: 200, contentType: "application/json", body };
    },
  };
}

interface TopicTotals {
  readonly region: string;
  readonly topic: string;
  lag: number;
  bytes: number;
  segments: number;
  failing: number;
  /** Seconds since the newest archived record of the partition that is behind the most; 0 when none is behind. */
  pendingSeconds: number;
}

/** One series of each metric for a topic; topics beyond `seriesMax` share one for each region. */
export function tierMetrics(
  rows: readonly TierRow[],
  nowMs: number,
  seriesMax = DEFAULT_SERIES_MAX,
): readonly MetricFamily[] {
  const totals = new Map<string, TopicTotals>();
  for (const row of rows) {
    const { region, partition, bytesOffloaded, segmentsOffloaded, error } = row;
    const isKnown = totals.has(`${region}/${partition.topic}`) || totals.size < seriesMax;
    const topic = isKnown ? partition.topic : OTHER_TOPICS;
    const key = `${region}/${topic}`;
    const total = totals.get(key) ?? { region, topic, lag: 0, bytes: 0, segments: 0, failing: 0, pendingSeconds: 0 };
    total.lag += Number(tierLag(row) ?? 0n);
    total.bytes += bytesOffloaded;
    total.segments += segmentsOffloaded;
    total.pendingSeconds = Math.max(total.pendingSeconds, pendingSeconds(row, nowMs));
    total.failing += error === undefined ? 0 : 1;
    totals.set(key, total);
  }
  const samples = (value: (total: TopicTotals) => number) =>
    [...totals.values()].map((total) => ({
      labels: { region: total.region, topic: total.topic },
      value: value(total),
    }));
  return [
    {
      name: "tributary_tier_lag_offsets",
      help: "Offsets that are readable in the cluster and not archived yet.",
      type: "gauge",
      samples: samples(({ lag }) => lag),
    },
    {
      name: "tributary_tier_archived_bytes_total",
      help: "Bytes of record batches that this process archived.",
      type: "counter",
      samples: samples(({ bytes }) => bytes),
    },
    {
      name: "tributary_tier_segments_total",
      help: "Segments that this process archived.",
      type: "counter",
      samples: samples(({ segments }) => segments),
    },
    {
      name: "tributary_tier_oldest_pending_seconds",
      help: "No record that is not archived is older than this: time since the newest archived one, where any is missing.",
      type: "gauge",
      samples: samples(({ pendingSeconds: seconds }) => seconds),
    },
    {
      name: "tributary_tier_failing_partitions",
      help: "Partitions whose last pass failed.",
      type: "gauge",
      samples: samples(({ failing }) => failing),
    },
  ];
}

function pendingSeconds(row: TierRow, nowMs: number): number {
  if ((tierLag(row) ?? 0n) <= 0n || row.archivedUntilMs === undefined) return 0;
  return Math.max(0, (nowMs - row.archivedUntilMs) / 1_000);
}
