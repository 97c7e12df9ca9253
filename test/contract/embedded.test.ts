/** Every contract case on an embedded region, compared with what Apache Kafka answered when it was recorded. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answerToUnknownVersion, apiRanges, unknownClaims } from "./api-versions.ts";
import { CONTRACT_CASES } from "./cases.ts";
import { compareCase } from "./compare.ts";
import type { BrokerAddress } from "./connection.ts";
import { DIFFERENCES } from "./differences.ts";
import { openContractRegion } from "./embedded.ts";
import { Probe } from "./probe.ts";
import { recorded } from "./recorded.ts";

const kafka = recorded();
const cleanup = new AsyncDisposableStack();
let address: BrokerAddress;

before(async () => {
  address = cleanup.use(await openContractRegion()).address;
});
after(() => cleanup.disposeAsync());

for (const one of CONTRACT_CASES) {
  test(`embedded region and Apache Kafka agree: ${one.name}`, async () => {
    const answers = await Probe.answersOf(one, address);
    const { unexplained, stale } = compareCase(one.name, answers, kafka.cases[one.name] ?? {});
    assert.deepEqual(unexplained, []);
    assert.deepEqual(stale, []);
  });
}

test("embedded region claims no version that Apache Kafka lacks", async () => {
  assert.deepEqual(unknownClaims(await apiRanges(address), kafka.apiRanges), []);
});

test("embedded region answers an unknown version of ApiVersions as Apache Kafka does", async () => {
  assert.deepEqual(await answerToUnknownVersion(address), kafka.answerToUnknownVersion);
});

test("every difference that is written down names a case", () => {
  const names = new Set(CONTRACT_CASES.map(({ name }) => name));
  assert.deepEqual(
    DIFFERENCES.filter((one) => !names.has(one.case)),
    [],
  );
});
