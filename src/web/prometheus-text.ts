/** The text that Prometheus reads. The only module that knows prom-client; its default registry is never used. */

import { Counter, Gauge, Registry } from "prom-client";
import type { MetricFamily } from "./metric.ts";

/** Of the text. */
export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** Renders the families. A registry lives for one rendering: series that are no longer told leave no trace ("No stale series"). */
export async function prometheusText(families: readonly MetricFamily[]): Promise<string> {
  const registry = new Registry();
  for (const family of families) {
    if (family.samples.length > 0) register(family, registry);
  }
  return registry.metrics();
}

function register({ name, help, type, samples }: MetricFamily, registry: Registry): void {
  const labelNames = Object.keys(samples[0]?.labels ?? {});
  const settings = { name, help, labelNames, registers: [registry] };
  if (type === "counter") {
    const counter = new Counter(settings);
    for (const { labels, value } of samples) counter.inc({ ...labels }, value);
  } else {
    const gauge = new Gauge(settings);
    for (const { labels, value } of samples) gauge.set({ ...labels }, value);
  }
}
