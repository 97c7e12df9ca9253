/** An offloader's pages. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import type { TierRow } from "../../../src/runtime/tier-status-json.ts";
import { measuredStore } from "../../../src/tier/measured-store.ts";
import { tierMetrics, tierPages } from "../../../src/web/tier-http.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

function row(topic: string, partition: number, more: Partial<TierRow> = {}): TierRow {
  return {
    region: "plant",
    partition: { clusterId: "c", topic, topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid, partition },
    ...{ store: "file:///cold", archivedTo: 10n, clusterEnd: 15n, logStart: 0n },
    ...{ bytesOffloaded: 100, segmentsOffloaded: 2, bytesPerSecond: 7, archivedUntilMs: 1_000, error: undefined },
    ...more,
  };
}

test("metrics of an offloader sum partitions by topic, and fold topics beyond the most series", () => {
  const rows = [row("a", 0), row("a", 1, { error: "down" }), row("b", 0), row("c", 0, { archivedTo: undefined })];
  const values = (seriesMax: number) =>
    tierMetrics(rows, 31_000, seriesMax).map(({ samples }) =>
      samples.map(({ labels, value }) => `${labels["topic"]} ${value}`),
    );
  assert.deepEqual(values(10), [
    ["a 10", "b 5", "c 15"],
    ["a 200", "b 100", "c 100"],
    ["a 4", "b 2", "c 2"],
    ["a 30", "b 30", "c 30"],
    ["a 1", "b 0", "c 0"],
  ]);
  assert.deepEqual(values(1)[0], ["a 10", "_other 20"]);
});

test("an offloader that archived everything has no pending record, whatever the age of its newest one", () => {
  const families = tierMetrics([row("a", 0, { archivedTo: 15n }), row("b", 0, { archivedUntilMs: undefined })], 31_000);
  const pending = families.find(({ name }) => name === "tributary_tier_oldest_pending_seconds");
  assert.deepEqual(
    pending?.samples.map(({ value }) => value),
    [0, 0],
  );
});

test("pages of an offloader tell metrics for Prometheus, and partitions and rules as JSON", async () => {
  const inner = createMemoryStore();
  const { store, figures } = measuredStore(inner, createFakeClock(0));
  await store.put("a", Buffer.from("a"));
  inner.before = ({ kind }) => {
    if (kind === "get") throw new Error("gone");
  };
  await assert.rejects(store.get("a"));
  const finding = { key: "a.log", kind: "missing", what: "not there" } as const;
  const upkeep = {
    ...{
      store: "s3://b/",
      segmentsRemoved: 5,
      segmentsOfDeletedTopics: 2,
      objectsCollected: 7,
      unfinishedCollected: 1,
    },
    scrub: { rounds: 3, segments: 10, bytes: 1_000, findings: [finding], found: 4 },
    failure: "no answer",
  };
  const parquet = { files: 6, rows: 60, bytes: 600, waiting: 1, failing: 2, failure: "no text" };
  const rule = { region: "plant", store: "s3://b/", failure: undefined, upkeep, requests: figures, parquet };
  const pages = tierPages(async () => ({ partitions: [row("a", 0, { clusterEnd: undefined })], rules: [rule] }));
  const metrics = (await pages["/metrics"]?.())?.body ?? "";
  const of = '{region="plant",store="s3://b/"';
  for (const line of [
    'tributary_tier_lag_offsets{region="plant",topic="a"} 0',
    `tributary_tier_request_duration_seconds_count${of},op="put"} 1`,
    `tributary_tier_request_failures_total${of},op="get"} 1`,
    `tributary_tier_removed_segments_total${of},cause="retention"} 3`,
    `tributary_tier_removed_segments_total${of},cause="topic-deleted"} 2`,
    `tributary_tier_collected_total${of},kind="object"} 7`,
    `tributary_tier_collected_total${of},kind="unfinished"} 1`,
    `tributary_tier_rule_failing${of}} 0`,
    `tributary_tier_upkeep_failing${of}} 1`,
    `tributary_tier_scrubbed_bytes_total${of}} 1000`,
    `tributary_tier_scrub_rounds_total${of}} 3`,
    `tributary_tier_verify_failures_total${of}} 4`,
    `tributary_tier_damaged_objects${of}} 1`,
    `tributary_tier_parquet_files_total${of}} 6`,
    `tributary_tier_parquet_failing_segments${of}} 2`,
  ])
    assert.ok(metrics.split("\n").includes(line), `${line}\n${metrics}`);
  const status = JSON.parse((await pages["/api/status"]?.())?.body ?? "");
  assert.deepEqual([status.partitions[0].archived_to, status.partitions[0].lag], ["10", null]);
  assert.deepEqual(status.rules[0].scrub.findings, [finding]);
  assert.deepEqual([status.rules[0].upkeep.failure, status.rules[0].upkeep.segments_removed], ["no answer", 5]);
});
