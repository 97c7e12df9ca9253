/** Lanes grouped into what has series of its own, within a limit: a mirror of ten thousand topics must not take the monitoring down. */

import type { FlowSnapshot, LaneSnapshot } from "../runtime/worker-status.ts";
import type { Granularity, Labels } from "./metric.ts";

/** Series of lanes in one scrape. 20,000 would block the worker for some 70 ms each time; 5,000 hold about 500 topics. */
export const DEFAULT_SERIES_MAX = 5_000;

/** The topic (and partition) of what has no series of its own. No Kafka topic is called so by accident. */
const FOLDED = "_other";

/** Lanes that share their series. */
export interface Unit {
  readonly labels: Labels;
  readonly lanes: readonly LaneSnapshot[];
}

/** Units, and how many topics or partitions are told together as `_other`. */
export interface Units {
  readonly units: readonly Unit[];
  readonly folded: number;
}

/** How to group. */
export interface UnitOptions {
  readonly granularity: Granularity;
  readonly seriesMax: number;
  /** Series that a unit would have. */
  readonly seriesOf: (lanes: readonly LaneSnapshot[]) => number;
}

/** Groups lanes, scrape after scrape.
 *
 *  "Folding never changes its mind": who has series of its own keeps them, and who was folded stays folded, because a counter that
 *  moved between the two would look like a restart to one and like a burst to the other. First come, first served, by name; those
 *  that are gone are forgotten, and their room is for new ones. */
export class UnitFolder {
  readonly #options: UnitOptions;
  #own: ReadonlySet<string> = new Set();
  #folded: ReadonlySet<string> = new Set();

  constructor(options: UnitOptions) {
    this.#options = options;
  }

  /** The units of all flows now. */
  group(flows: readonly FlowSnapshot[]): Units {
    const all = flows.flatMap((flow) => this.#unitsOf(flow)).map((unit) => ({ ...unit, key: keyOf(unit.labels) }));
    const { seriesOf, seriesMax } = this.#options;
    const own = all.filter(({ key }) => this.#own.has(key));
    const rest = all.filter(({ key }) => this.#folded.has(key));
    let series = own.reduce((sum, { lanes }) => sum + seriesOf(lanes), 0);
    for (const unit of all) {
      if (this.#own.has(unit.key) || this.#folded.has(unit.key)) continue;
      series += seriesOf(unit.lanes);
      (series > seriesMax ? rest : own).push(unit);
    }
    this.#own = new Set(own.map(({ key }) => key));
    this.#folded = new Set(rest.map(({ key }) => key));
    return { units: [...own.map(({ labels, lanes }) => ({ labels, lanes })), ...folded(rest)], folded: rest.length };
  }

  #unitsOf(flow: FlowSnapshot): readonly Unit[] {
    const { mirror, source, target } = flow;
    const byPartition = this.#options.granularity === "partition";
    const groups = Map.groupBy(flow.lanes, (lane) =>
      byPartition ? `${lane.sourceTopic}/${lane.partition}` : lane.sourceTopic,
    );
    return [...groups.values()].map((lanes) => {
      const topic = lanes[0]?.sourceTopic ?? "";
      const partition = byPartition ? { partition: String(lanes[0]?.partition) } : {};
      return { labels: { mirror, source, target, topic, ...partition }, lanes };
    });
  }
}

/** One unit for each flow. */
function folded(units: readonly Unit[]): readonly Unit[] {
  const groups = Map.groupBy(units, ({ labels: { mirror, source, target } }) => keyOf({ mirror, source, target }));
  return [...groups.values()].map((group) => {
    const labels = { ...group[0]?.labels, topic: FOLDED };
    const lanes = group.flatMap((unit) => unit.lanes);
    return { labels: "partition" in labels ? { ...labels, partition: FOLDED } : labels, lanes };
  });
}

function keyOf(labels: Readonly<Record<string, string | undefined>>): string {
  return JSON.stringify(Object.values(labels));
}
