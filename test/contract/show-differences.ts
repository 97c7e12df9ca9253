/** Prints every field in which the embedded region's answers differ from the recorded ones: `node test/contract/show-differences.ts`. */

import { CONTRACT_CASES } from "./cases.ts";
import { compareCase } from "./compare.ts";
import { openContractRegion } from "./embedded.ts";
import { Probe } from "./probe.ts";
import { recorded } from "./recorded.ts";

await using region = await openContractRegion();
const { cases } = recorded();
for (const one of CONTRACT_CASES) {
  try {
    const answers = await Probe.answersOf(one, region.address);
    const { unexplained, stale } = compareCase(one.name, answers, cases[one.name] ?? {});
    if (unexplained.length + stale.length > 0) console.log(one.name);
    for (const { label, path, embedded, kafka } of unexplained) {
      console.log(`  ${label} | ${path} | embedded ${JSON.stringify(embedded)} | kafka ${JSON.stringify(kafka)}`);
    }
    for (const { label, path } of stale) console.log(`  no longer differs: ${label} | ${path}`);
  } catch (error) {
    console.log(`${one.name}\n  ${String(error)}`);
  }
}
