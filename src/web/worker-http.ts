/** A worker seen from outside: `/metrics`, `/healthz`, `/readyz` and `/api/status`, all rendered from its one snapshot. */

import { renderJson } from "../core/json-output.ts";
import type { Endpoint } from "../core/network.ts";
import type { WorkerStatus } from "../runtime/worker-status.ts";
import { statusJson } from "../runtime/worker-status-json.ts";
import { health, readiness, type Verdict } from "./health.ts";
import { HttpServer, type Page, type PageMaker, textPage } from "./http-server.ts";
import { processMetrics } from "./process-metrics.ts";
import { METRICS_CONTENT_TYPE, prometheusText } from "./prometheus-text.ts";
import { type WorkerMetricsOptions, workerMetricsOf } from "./worker-metrics.ts";

/** Where to listen and what to tell. */
export interface WorkerHttpOptions extends WorkerMetricsOptions {
  readonly endpoint: Endpoint;
}

const INDEX = `tributary mirror worker
  /metrics     for Prometheus
  /healthz     200 while the worker is alive, whatever Kafka does
  /readyz      200 once both ends of every flow are reached and their lanes are known
  /api/status  the same JSON as tributary mirror status -o json
`;

/** Listens. `status` answers undefined while there is no worker yet. @throws {NetworkError} */
export function openWorkerHttp(
  options: WorkerHttpOptions,
  status: () => WorkerStatus | undefined,
): Promise<HttpServer> {
  return HttpServer.open(options.endpoint, workerPages(options, status));
}

/** The pages by path. */
function workerPages(
  options: WorkerMetricsOptions,
  status: () => WorkerStatus | undefined,
): Readonly<Record<string, PageMaker>> {
  const familiesOf = workerMetricsOf(options);
  /** Scrapes that come together share one rendering. */
  let rendering: Promise<string> | undefined;
  const metrics = (now: WorkerStatus): Promise<string> => {
    rendering ??= prometheusText([...familiesOf(now), ...processMetrics()]).finally(() => {
      rendering = undefined;
    });
    return rendering;
  };
  const page = (make: (now: WorkerStatus) => Page | Promise<Page>): PageMaker => {
    return () => {
      const now = status();
      return now === undefined ? textPage(503, "the worker is starting\n") : make(now);
    };
  };
  return {
    "/": () => textPage(200, INDEX),
    "/metrics": page(async (now) => ({ status: 200, contentType: METRICS_CONTENT_TYPE, body: await metrics(now) })),
    "/healthz": () => {
      const now = status();
      return verdictPage(now === undefined ? { ok: true, reasons: [] } : health(now));
    },
    "/readyz": page((now) => verdictPage(readiness(now))),
    "/api/status": page((now) =>
      jsonPage(
        200,
        statusJson({ topology: now.topology, origin: "worker", atMs: now.atMs, flows: now.flows, worker: now }),
      ),
    ),
  };
}

function verdictPage({ ok, reasons }: Verdict): Page {
  return jsonPage(ok ? 200 : 503, { ok, reasons });
}

function jsonPage(status: number, value: object): Page {
  return { status, contentType: "application/json; charset=utf-8", body: `${renderJson(value)}\n` };
}
