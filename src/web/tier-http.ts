/** An offloader seen from outside: `/metrics` by topic, `/healthz`, and `/api/status` by partition. */

import { renderJson } from "../core/json-output.ts";
import type { Endpoint } from "../core/network.ts";
import { type TierRow, tierLag, tierRowJson } from "../runtime/tier-status-json.ts";
import { HttpServer, type PageMaker, textPage } from "./http-server.ts";
import type { MetricFamily } from "./metric.ts";
import { processMetrics } from "./process-metrics.ts";
import { METRICS_CONTENT_TYPE, prometheusText } from "./prometheus-text.ts";
import { DEFAULT_SERIES_MAX } from "./units.ts";

const INDEX = `tributary tier offload
  /metrics     for Prometheus
  /healthz     200 while the process is alive
  /api/status  each partition as tributary tier offload -o json tells it
`;

/** Whatever is beyond the most series. */
const OTHER_TOPICS = "_other";

/** Listens. @throws {NetworkError} */
export function openTierHttp(endpoint: Endpoint, rows: () => Promise<readonly TierRow[]>): Promise<HttpServer> {
  return HttpServer.open(endpoint, tierPages(rows));
}

/** The pages by path. */
export function tierPages(rows: () => Promise<readonly TierRow[]>): Readonly<Record<string, PageMaker>> {
  return {
    "/": () => textPage(200, INDEX),
    "/healthz": () => textPage(200, "ok\n"),
    "/metrics": async () => {
      const body = await prometheusText([...tierMetrics(await rows()), ...processMetrics()]);
      return { status: 200, contentType: METRICS_CONTENT_TYPE, body };
    },
    "/api/status": async () => {
      const body = `${renderJson({ partitions: (await rows()).map(tierRowJson) })}\n`;
      return { status: 200, contentType: "application/json", body };
    },
  };
}

interface TopicTotals {
  readonly region: string;
  readonly topic: string;
  lag: number;
  bytes: number;
  failing: number;
}

/** One series of each metric for a topic; topics beyond `seriesMax` share one for each region. */
export function tierMetrics(rows: readonly TierRow[], seriesMax = DEFAULT_SERIES_MAX): readonly MetricFamily[] {
  const totals = new Map<string, TopicTotals>();
  for (const row of rows) {
    const { region, partition, bytesOffloaded, error } = row;
    const isKnown = totals.has(`${region}/${partition.topic}`) || totals.size < seriesMax;
    const topic = isKnown ? partition.topic : OTHER_TOPICS;
    const key = `${region}/${topic}`;
    const total = totals.get(key) ?? { region, topic, lag: 0, bytes: 0, failing: 0 };
    total.lag += Number(tierLag(row) ?? 0n);
    total.bytes += bytesOffloaded;
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
      name: "tributary_tier_failing_partitions",
      help: "Partitions whose last pass failed.",
      type: "gauge",
      samples: samples(({ failing }) => failing),
    },
  ];
}
