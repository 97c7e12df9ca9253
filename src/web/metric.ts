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

/** How fine the series of lanes are. */
export type Granularity = "topic" | "partition";
