import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../src/core/brand.ts";
import type { TierRow } from "../../../src/runtime/tier-status-json.ts";
import { tierMetrics, tierPages } from "../../../src/web/tier-http.ts";

function row(topic: string, partition: number, more: Partial<TierRow> = {}): TierRow {
  return {
    region: "plant",
    partition: { clusterId: "c", topic, topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid, partition },
    ...{ store: "file:///cold", archivedTo: 10n, clusterEnd: 15n, logStart: 0n },
    ...{ bytesOffloaded: 100, bytesPerSecond: 7, error: undefined },
    ...more,
  };
}

test("metrics of an offloader sum partitions by topic, and fold topics beyond the most series", () => {
  const rows = [row("a", 0), row("a", 1, { error: "down" }), row("b", 0), row("c", 0, { archivedTo: undefined })];
  const values = (seriesMax: number) =>
    tierMetrics(rows, seriesMax).map(({ samples }) =>
      samples.map(({ labels, value }) => `${labels["topic"]} ${value}`),
    );
  assert.deepEqual(values(10), [
    ["a 10", "b 5", "c 15"],
    ["a 200", "b 100", "c 100"],
    ["a 1", "b 0", "c 0"],
  ]);
  assert.deepEqual(values(1)[0], ["a 10", "_other 20"]);
});

test("pages of an offloader tell metrics for Prometheus and partitions as JSON", async () => {
  const pages = tierPages(async () => [row("a", 0, { clusterEnd: undefined })]);
  assert.match(
    (await pages["/metrics"]?.())?.body ?? "",
    /^tributary_tier_lag_offsets\{region="plant",topic="a"\} 0$/m,
  );
  const status = JSON.parse((await pages["/api/status"]?.())?.body ?? "");
  assert.deepEqual([status.partitions[0].archived_to, status.partitions[0].lag], ["10", null]);
});
