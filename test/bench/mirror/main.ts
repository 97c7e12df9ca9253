/** `npm run bench:mirror`: Tributary and MirrorMaker 2 side by side, and the budgets as checks. */

import { cpus } from "node:os";
import { renderJson } from "../../../src/core/json-output.ts";
import { apacheKafkaMissing } from "../../peers/kafka/jars.ts";
import { openSide } from "./brokers.ts";
import { budgetLine, type Measured } from "./budgets.ts";
import { TITLES } from "./contenders.ts";
import { dataOf } from "./data.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { missed, reportJson, reportMarkdown, reportText, type Setting } from "./report.ts";
import { measure, type Result } from "./rounds.ts";

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  const missing = apacheKafkaMissing();
  if (missing !== undefined) throw new Error(missing);
  const startMs = performance.now();
  const all = await measureAll(options);
  const [cpu] = cpus();
  const setting: Setting = {
    cpus: cpus().length,
    cpuModel: cpu?.model ?? "unknown",
    rounds: options.rounds,
    seconds: (performance.now() - startMs) / 1_000,
  };
  const { output } = options;
  if (output === "json") console.log(renderJson(reportJson(all, setting)));
  else console.log(output === "markdown" ? reportMarkdown(all, setting) : reportText(all));
  const budgets = missed(all);
  if (output !== "text") for (const budget of budgets) console.error(budgetLine(budget));
  return budgets.length === 0 ? 0 : 1;
}

async function measureAll({ cases, rounds }: BenchOptions): Promise<readonly Measured[]> {
  await using source = await openSide();
  await using target = await openSide();
  const all: Measured[] = [];
  for (const shape of cases) {
    const data = dataOf(shape);
    const results: Result[] = [];
    for (const contender of shape.contenders) {
      const result = await measure({ source, target, rounds }, shape, data, contender);
      results.push(result);
      const { megabytesPerSecond: rate, cpuSecondsPerGigabyte: cpu } = result;
      console.error(`${shape.name}: ${TITLES[contender]}: ${rate.toFixed(1)} MB/s, ${cpu.toFixed(2)} CPU s/GB`);
    }
    all.push({ shape, results });
  }
  return all;
}

// Ctrl-C ends the brokers and mirrors too: they are killed when this process exits.
for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
  process.once(signal, () => process.exit(code));
}
try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench:mirror: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(error instanceof UsageError ? 64 : 1);
}
