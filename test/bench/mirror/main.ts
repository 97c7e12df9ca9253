/** `npm run bench:mirror`: Tributary and MirrorMaker 2 side by side, and the budgets as checks. */

import { cpus } from "node:os";
import { renderJson } from "../../../src/core/json-output.ts";
import { apacheKafkaMissing } from "../../peers/kafka/jars.ts";
import { buildPackage } from "../parts/worker.ts";
import { budgetLine, type Measured } from "./budgets.ts";
import { TITLES } from "./contenders.ts";
import { measureMatrix } from "./matrix.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { missed, reportJson, reportMarkdown, reportText, type Setting } from "./report.ts";

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const options = parseOptions(args);
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  const missing = apacheKafkaMissing();
  if (missing !== undefined) throw new Error(missing);
  buildPackage();
  const startMs = performance.now();
  const all: Measured[] = [];
  const say = (line: string): void => console.error(`${((performance.now() - startMs) / 1_000).toFixed(0)} s: ${line}`);
  // Whatever ends it, what was measured until then is told.
  const tell = (): void => {
    if (all.length > 0) print(options, all, settingOf(options, args, (performance.now() - startMs) / 1_000));
  };
  // Ctrl-C ends the brokers and mirrors too: they are killed when this process exits.
  for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
    process.once(signal, () => {
      tell();
      process.exit(code);
    });
  }
  try {
    await measureMatrix({ ...options, say, onMeasured: (measured) => all.push(measured) });
  } finally {
    tell();
  }
  const failures = all.flatMap(({ shape, failures }) => failures.map((one) => ({ ...one, shape })));
  for (const { shape, contender, error } of failures)
    console.error(`FAILED ${shape.name}: ${TITLES[contender]}: ${error}`);
  const budgets = missed(all);
  for (const budget of budgets) console.error(budgetLine(budget));
  return budgets.length === 0 && failures.length === 0 ? 0 : 1;
}

function settingOf({ rounds }: BenchOptions, args: readonly string[], seconds: number): Setting {
  const [cpu] = cpus();
  const command = ["npm run bench:mirror", ...(args.length === 0 ? [] : ["--", ...args.map(quoted)])].join(" ");
  return { cpus: cpus().length, cpuModel: cpu?.model ?? "unknown", rounds, seconds, command };
}

/** As a shell takes it. */
function quoted(argument: string): string {
  return /\s/.test(argument) ? `"${argument}"` : argument;
}

function print({ output }: BenchOptions, all: readonly Measured[], setting: Setting): void {
  if (output === "json") console.log(renderJson(reportJson(all, setting)));
  else console.log(output === "markdown" ? reportMarkdown(all, setting) : reportText(all));
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench:mirror: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(error instanceof UsageError ? 64 : 1);
}
