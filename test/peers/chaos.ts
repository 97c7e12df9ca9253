/** Short runs of `npm run chaos` within the suite on Apache Kafka: one that has to hold, one that has to fail. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { readerMissing } from "../chaos/reader.ts";
import { movingFigures } from "../chaos/report.ts";
import { type ChaosResult, runChaos } from "../chaos/run.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";

const withoutReader = readerMissing();
if (withoutReader !== undefined && process.env["CI"] === "true") throw new Error(withoutReader);
const skip = apacheKafkaMissing() ?? withoutReader ?? false;
const timeout = 300_000;

function say(t: TestContext): (text: string) => void {
  return (text) => t.diagnostic(text);
}

function diagnose(t: TestContext, result: ChaosResult): void {
  t.diagnostic(`${result.findings.mirrored} mirrored, ${result.kills.length} kills, ${result.bounces} bounces`);
  t.diagnostic(`moving again: ${JSON.stringify(movingFigures(result))}`);
}

// How soon it moves again is asked of a quiet machine by `npm run chaos` itself; here other suites run beside it.
test("chaos on Apache Kafka loses, repeats, reorders and changes nothing", { skip, timeout }, async (t) => {
  const result = await runChaos({ minutes: 0.75, seed: 20_010_911, delivery: "exactly-once" }, say(t));
  diagnose(t, result);
  assert.deepEqual(result.findings.details, []);
  assert.deepEqual(result.troubles, []);
  assert.equal(result.findings.mirrored, result.sent.acknowledged);
  assert.ok(result.findings.offsetsChecked > 2 * result.findings.mirrored);
  assert.ok(result.findings.mirroredOld > 1_000 && result.sent.aborted > 0);
  assert.ok(result.kills.length > 5 && result.bounces > 0);
});

test("chaos on Apache Kafka finds the repeats of a mirror that promises less", { skip, timeout }, async (t) => {
  const result = await runChaos({ minutes: 0.25, seed: 3, delivery: "at-least-once" }, say(t));
  diagnose(t, result);
  assert.ok(result.findings.counts.duplicated > 0);
  assert.deepEqual(result.findings.counts.lost, 0);
});
