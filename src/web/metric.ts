/** What a metric is, as plain data. */

/** Label values by label name. */
export type Labels = Readonly<Record<string, string>>;

/** One series now. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** A metric with all its series. Counters tell their value since the process began, and their name ends in `_total`. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly samples: readonly Sample[];
}

/** One histogram now: how many observations lie in each class, one class more than there are bounds. */
export interface HistogramSample {
  readonly labels: Labels;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** A metric that counts in classes. */
export interface HistogramFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "histogram";
  readonly samples: readonly HistogramSample[];
}

/** Any metric. */
export type AnyFamily = MetricFamily | HistogramFamily;

/** How fine the series of lanes are. */
export type Granularity = "topic" | "partition";
