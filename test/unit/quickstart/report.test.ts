/** What the quickstart prints of its figures and anomalies. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Figures, figuresJson } from "../../../src/quickstart/figures.ts";
import type { MainJobResult } from "../../../src/quickstart/main-job.ts";
import { anomalyAt } from "../../../src/quickstart/records.ts";
import { allHolds, anomalyLines, coldHolds, figuresTable, progressLine } from "../../../src/quickstart/report.ts";
import { record } from "./fabricated.ts";

const good: Figures = {
  produced: 20_000,
  mirrored: 20_000,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  mutated: 0,
  workerKills: 3,
  brokerStops: 1,
  offsetsChecked: 40_036,
  offsetsWrong: 0,
  groupsChecked: 3,
  groupsWrong: 0,
  segmentsOffloaded: 5,
  bytesOffloaded: 10_240,
  coldRecordsRead: 700,
  elapsedMs: 12_345,
};

function result(change: Partial<Figures> = {}, anomalies: MainJobResult["anomalies"] = []): MainJobResult {
  return { figures: { ...good, ...change }, anomalies, kills: [{ pid: 1, mirrored: 4_000, total: 20_000 }] };
}

test("figures are printed under the documented names, in the documented order", () => {
  assert.equal(
    JSON.stringify(figuresJson(good)),
    '{"produced":20000,"mirrored":20000,"lost":0,"duplicated":0,"reordered":0,"mutated":0,"worker_kills":3,' +
      '"broker_stops":1,"offsets_checked":40036,"offsets_wrong":0,"groups_checked":3,"groups_wrong":0,' +
      '"segments_offloaded":5,"bytes_offloaded":10240,"cold_records_read":700,"elapsed_ms":12345}',
  );
});

test("all holds only when every figure says so", () => {
  assert.equal(allHolds(result(), 20_000), true);
  const wrong: readonly Partial<Figures>[] = [
    { produced: 19_999 },
    { mirrored: 19_999 },
    { workerKills: 2 },
    { brokerStops: 0 },
    { offsetsChecked: 0 },
    { offsetsWrong: 1 },
    { groupsChecked: 0 },
    { groupsWrong: 1 },
  ];
  for (const change of wrong) assert.equal(allHolds(result(change), 20_000), false, JSON.stringify(change));
  assert.equal(allHolds(result({}, [anomalyAt("mutated", record(1, 0), "x")]), 20_000), false);
});

test("cold holds only when segments went and records came back", () => {
  assert.equal(coldHolds(good), true);
  assert.equal(coldHolds({ ...good, segmentsOffloaded: 0 }), false);
  assert.equal(coldHolds({ ...good, coldRecordsRead: 0 }), false);
});

test("report lists anomalies with their place up to a limit, and says how many more there are", () => {
  const anomalies = Array.from({ length: 25 }, (_, index) => anomalyAt("lost", record(index + 1, index), "gone"));
  const lines = anomalyLines(anomalies);
  assert.equal(lines.length, 21);
  assert.equal(lines[0], "lost flights-0@0 flight 1: gone");
  assert.equal(lines[20], "and 5 more");
});

test("report says at how many flights the worker was killed", () => {
  assert.match(figuresTable(result()), /worker killed with SIGKILL +3 times, at 4,000 flights/);
});

test("progress line shows a bar while flights are copied, and only the step afterwards", () => {
  const copying = progressLine({ step: "copying flights", mirrored: 5_000, produced: 8_000, total: 20_000 });
  assert.equal(copying, "copying flights [#####...............] 5000 of 20000 on central, 8000 produced");
  assert.equal(progressLine({ step: "reading", mirrored: 20_000, produced: 20_000, total: 20_000 }), "reading");
});
