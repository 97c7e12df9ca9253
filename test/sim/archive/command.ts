/** `npm run sim -- --archive`: every interruption of an archive's processes at every step, then as many random ones as wanted. */

import { toError } from "../../../src/core/errors.ts";
import { KAFKA_MISTAKES } from "./kafka/mistakes.ts";
import { atEveryKafkaStep } from "./kafka/runs.ts";
import { KAFKA_SCENARIOS, MORE_KAFKA_SCENARIOS } from "./kafka/scenarios.ts";
import { MISTAKES } from "./mistakes.ts";
import { atEveryStep, atRandom } from "./runs.ts";
import { SCENARIOS } from "./scenarios.ts";

/** After so many failures more of them tell nothing new. */
const FAILURES_MAX = 20;

/** Which seeds. */
export interface ArchiveSeeds {
  readonly from: number;
  readonly count: number;
}

/** Prints what fails, with how to see it again, and a summary; answers how much failed. */
export async function simulateArchive({ from, count }: ArchiveSeeds, print: (line: string) => void): Promise<number> {
  const startedMs = performance.now();
  let [steps, failures] = [0, 0];
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failures++;
      print(`FAILED ${what}: ${toError(error).message.split("\n")[0]}`);
    }
  };
  for (const scenario of SCENARIOS)
    await attempt(scenario.name, async () => {
      steps += await atEveryStep(scenario);
    });
  const kafkaScenarios = [...KAFKA_SCENARIOS, ...MORE_KAFKA_SCENARIOS];
  for (const scenario of kafkaScenarios)
    await attempt(scenario.name, async () => {
      steps += await atEveryKafkaStep(scenario);
    });
  const plant = async (name: string, breaks: RegExp, run: () => Promise<unknown>): Promise<void> => {
    const found = await run().then(
      () => false,
      (error: unknown) => breaks.test(toError(error).message),
    );
    if (!found) await attempt(`planted mistake "${name}"`, () => Promise.reject(new Error("not found out")));
  };
  for (const { name, breaks, scenario, mistake } of MISTAKES)
    await plant(name, breaks, () => atEveryStep(scenario, mistake));
  for (const { name, breaks, scenario, mistake } of KAFKA_MISTAKES)
    await plant(name, breaks, () => atEveryKafkaStep(scenario, mistake));
  let seeds = 0;
  for (let seed = from; seed < from + count && failures < FAILURES_MAX; seed++) {
    await attempt(`seed ${seed} -- again with: npm run sim -- --archive --from ${seed} --seeds 1`, () =>
      atRandom(seed),
    );
    seeds++;
  }
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  print(
    `${SCENARIOS.length + kafkaScenarios.length} interruptions at ${steps} steps, ${MISTAKES.length + KAFKA_MISTAKES.length} planted mistakes, ${seeds} seeds, ${failures} failed, ${seconds} s`,
  );
  return failures;
}
