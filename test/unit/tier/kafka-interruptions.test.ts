/** The archive of a Kafka topic survives the death or the standstill of its processes at every step: each use of the store, each
 *  operation on the spool's disk, each request to the cluster. The test that says so finds mistakes out. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KAFKA_MISTAKES } from "../../sim/archive/kafka/mistakes.ts";
import { atEveryKafkaStep } from "../../sim/archive/kafka/runs.ts";
import { KAFKA_SCENARIOS } from "../../sim/archive/kafka/scenarios.ts";

/** Fewer steps than any scenario takes: an interruption that never happens shows nothing. */
const STEPS_MIN = 20;

for (const scenario of KAFKA_SCENARIOS) {
  test(`archive loses nothing and keeps nothing over when ${scenario.name}, at every step`, async () => {
    assert.ok((await atEveryKafkaStep(scenario)) >= STEPS_MIN);
  });
}

for (const { name, breaks, scenario, mistake } of KAFKA_MISTAKES) {
  test(`interruptions find the mistake out: ${name}`, async () => {
    await assert.rejects(atEveryKafkaStep(scenario, mistake), (error: Error) => {
      assert.match(error.message, breaks);
      return true;
    });
  });
}
