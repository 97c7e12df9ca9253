/** What an offloader's rules did to their archives, as metrics: requests, retention, gc, scrubbing. One series for each rule, and
 *  so a bounded number. */

import { requestsOf, type TierRuleRow } from "../runtime/tier-status-json.ts";
import type { AnyFamily, Labels, MetricFamily, Sample } from "./metric.ts";

/** The families. */
export function tierRuleMetrics(rules: readonly TierRuleRow[]): readonly AnyFamily[] {
  const labels = ({ region, store }: TierRuleRow): Labels => ({ region, store });
  const each = (value: (rule: TierRuleRow) => number): readonly Sample[] =>
    rules.map((rule) => ({ labels: labels(rule), value: value(rule) }));
  const split = (name: string, values: (rule: TierRuleRow) => Readonly<Record<string, number>>): readonly Sample[] =>
    rules.flatMap((rule) =>
      Object.entries(values(rule)).map(([of, value]) => ({ labels: { ...labels(rule), [name]: of }, value })),
    );
  const family = (
    type: MetricFamily["type"],
    name: string,
    { help, samples }: Pick<MetricFamily, "help" | "samples">,
  ): MetricFamily => ({ name: `tributary_tier_${name}`, help, type, samples });
  const ofParquet = (value: (status: NonNullable<TierRuleRow["parquet"]>) => number): readonly Sample[] =>
    rules.flatMap((rule) => (rule.parquet === undefined ? [] : [{ labels: labels(rule), value: value(rule.parquet) }]));
  return [
    family("counter", "parquet_files_total", {
      help: "Parquet files that were written.",
      samples: ofParquet(({ files }) => files),
    }),
    family("gauge", "parquet_failing_segments", {
      help: "Archived segments that could not be written as Parquet files.",
      samples: ofParquet(({ failing }) => failing),
    }),
    requestDurations(rules, labels),
    family("counter", "request_failures_total", {
      help: "Requests to the store that failed after their repetitions.",
      samples: split("op", (rule) => Object.fromEntries(requestsOf(rule).map(({ op, failures }) => [op, failures]))),
    }),
    family("gauge", "rule_failing", {
      help: "1 while the last pass of the whole rule failed.",
      samples: each(({ failure }) => (failure === undefined ? 0 : 1)),
    }),
    family("gauge", "upkeep_failing", {
      help: "1 while retention, gc or scrubbing failed the last time.",
      samples: each(({ upkeep }) => (upkeep.failure === undefined ? 0 : 1)),
    }),
    family("counter", "removed_segments_total", {
      help: "Segments that were taken out of the archive.",
      samples: split("cause", ({ upkeep: { segmentsRemoved, segmentsOfDeletedTopics } }) => ({
        retention: segmentsRemoved - segmentsOfDeletedTopics,
        "topic-deleted": segmentsOfDeletedTopics,
      })),
    }),
    family("counter", "collected_total", {
      help: "Objects and unfinished uploads that gc removed.",
      samples: split("kind", ({ upkeep: { objectsCollected, unfinishedCollected } }) => ({
        object: objectsCollected,
        unfinished: unfinishedCollected,
      })),
    }),
    family("counter", "scrubbed_bytes_total", {
      help: "Bytes that the scrubber read and checked.",
      samples: each(({ upkeep }) => upkeep.scrub.bytes),
    }),
    family("counter", "scrub_rounds_total", {
      help: "Rounds of the scrubber over the whole store.",
      samples: each(({ upkeep }) => upkeep.scrub.rounds),
    }),
    family("counter", "verify_failures_total", {
      help: "Damage that the scrubber found, each counted once.",
      samples: each(({ upkeep }) => upkeep.scrub.found),
    }),
    family("gauge", "damaged_objects", {
      help: "Damage of the scrubber's round under way and the one before it; run tributary tier repair.",
      samples: each(({ upkeep }) => upkeep.scrub.findings.length),
    }),
  ];
}

function requestDurations(rules: readonly TierRuleRow[], labels: (rule: TierRuleRow) => Labels): AnyFamily {
  return {
    name: "tributary_tier_request_duration_seconds",
    help: "Time that requests to the store took, repetitions included.",
    type: "histogram",
    samples: rules.flatMap((rule) =>
      requestsOf(rule).map(({ op, boundsMs, counts, sumMs }) => ({
        labels: { ...labels(rule), op },
        bounds: boundsMs.map((boundMs) => boundMs / 1_000),
        counts,
        sum: sumMs / 1_000,
      })),
    ),
  };
}
