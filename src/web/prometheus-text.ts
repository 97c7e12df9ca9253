/** The text that Prometheus reads. The only module that knows prom-client; its default registry is never used. */

import { Counter, Gauge, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";
import type { AnyFamily, HistogramFamily, HistogramSample, MetricFamily } from "./metric.ts";

/** Of the text. */
export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** Renders the families. A registry lives for one rendering: series that are no longer told leave no trace ("No stale series"). */
export async function prometheusText(families: readonly AnyFamily[]): Promise<string> {
  const registry = new Registry();
  for (const family of families) {
    if (family.samples.length === 0) continue;
    if (family.type === "histogram") new ToldHistogram(family, registry);
    else register(family, registry);
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

/** A histogram that was counted elsewhere: prom-client's own can only observe, one by one. */
class ToldHistogram extends Gauge<string> {
  readonly #family: HistogramFamily;

  constructor(family: HistogramFamily, registry: Registry) {
    super({ name: family.name, help: family.help, registers: [registry] });
    this.#family = family;
  }

  override async get(): Promise<MetricObjectWithValues<MetricValue<string>>> {
    const { name, samples } = this.#family;
    const values = samples.flatMap((sample) => histogramValues(name, sample));
    return { ...(await super.get()), type: "histogram", values } as unknown as MetricObjectWithValues<
      MetricValue<string>
    >;
  }
}

/** Classes as Prometheus wants them: each holds all below it, too. */
function histogramValues(name: string, { labels, bounds, counts, sum }: HistogramSample): readonly object[] {
  let below = 0;
  const buckets = counts.map((count, index) => {
    below += count;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bounds[index] ?? "+Inf") }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ];
}
