/** Writes down what Apache Kafka answers to every case, so that the embedded region can be compared where there is no
 *  Java: `node test/contract/record.ts`. The suite on Apache Kafka checks that the writing is still true. */

import { writeFileSync } from "node:fs";
import { ApacheKafka } from "../peers/kafka.ts";
import { answerToUnknownVersion, apiRanges } from "./api-versions.ts";
import { CONTRACT_CASES } from "./cases.ts";
import { KAFKA_PROPERTIES } from "./peer.ts";
import { Probe } from "./probe.ts";
import { type Answers, RECORDED_FILE, type Recorded } from "./recorded.ts";

await using cluster = await ApacheKafka.start({ properties: KAFKA_PROPERTIES });
const address = cluster.endpoints.get(1);
if (address === undefined) throw new Error("no broker 1");
const cases: Record<string, Answers[string]> = {};
for (const one of CONTRACT_CASES) {
  try {
    cases[one.name] = await Probe.answersOf(one, address);
  } catch (error) {
    throw new Error(`case failed: ${one.name}`, { cause: error });
  }
}
const recorded: Recorded = {
  apiRanges: await apiRanges(address),
  answerToUnknownVersion: await answerToUnknownVersion(address),
  cases,
};
writeFileSync(RECORDED_FILE, `${JSON.stringify(recorded, undefined, 1)}\n`);
console.log(`${CONTRACT_CASES.length} cases recorded`);
