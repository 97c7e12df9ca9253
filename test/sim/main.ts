/** `npm run sim`: runs seeds in the simulator, prints one line for each that fails and a summary. Ends with 0, 1 or 64. */

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { toError } from "../../src/core/errors.ts";
import { type ArchiveSeeds, simulateArchive } from "./archive/command.ts";
import { type Job, runJobs } from "./jobs.ts";
import { allMarks, MARKS, type Mark } from "./marks.ts";
import { runMutants } from "./mutant-run.ts";
import { parsePlan, type SimPlan } from "./plan.ts";
import { storePlan } from "./regressions.ts";
import { runPlan, type SimResult } from "./run.ts";
import { shrunk } from "./shrink.ts";
import { planOf } from "./swarm.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 64;

/** Every so many seeds one is run twice, to see that it repeats exactly. */
const TWICE_EVERY = 25;
/** Failing plans that are cut down in one call: each takes up to a minute. */
const SHRUNK_MAX = 5;
/** With fewer seeds some marks are missed by chance. */
const MARKS_FROM_SEEDS = 500;
/** After so many failures more of them tell nothing new. */
const FAILURES_MAX = 20;
const PERCENT = 100;

const USAGE = `usage: npm run sim -- [--seeds N] [--from S] [--jobs N] [--shrink] | --seed S | --plan FILE | --mutants | --archive
  --seeds N    run N seeds (default 100)
  --from S     the first of them (default 1)
  --seed S     run one seed, twice, and print its plan and result
  --plan FILE  run a stored plan, twice
  --shrink     cut failing plans down and store them where \`npm test\` runs them again (test/sim/regressions)
  --mutants    plant mistakes, one after the other, and see that each is found out
  --archive    interrupt offloaders, retention and gc of an archive at every step, and at random ones of N seeds
  --jobs N     processes (default: one per core)`;

/** What the command line asks for. */
interface Request {
  readonly jobs: number;
  readonly isMutants: boolean;
  /** Asked for instead of whole worlds. */
  readonly archive: ArchiveSeeds | undefined;
  readonly isShrinking: boolean;
  readonly plans: Iterable<SimPlan>;
  readonly count: number;
  readonly isVerbose: boolean;
}

/** Sums over results. */
class Summary {
  readonly #startedMs = performance.now();
  readonly #marks = new Map<Mark, number>();
  #runs = 0;
  #failures = 0;
  #virtualMs = 0;
  #records = 0;

  add({ findings, virtualMs, records, marks }: SimResult): void {
    this.#runs++;
    if (findings.length > 0) this.#failures++;
    this.#virtualMs += virtualMs;
    this.#records += records;
    for (const mark of allMarks()) this.#marks.set(mark, (this.#marks.get(mark) ?? 0) + (marks[mark] ?? 0));
  }

  get failures(): number {
    return this.#failures;
  }

  get missedMarks(): readonly Mark[] {
    return allMarks().filter((mark) => (this.#marks.get(mark) ?? 0) === 0);
  }

  /** Lines for people. */
  get lines(): readonly string[] {
    const tookMs = performance.now() - this.#startedMs;
    const ratio = Math.round(this.#virtualMs / tookMs);
    const marks = allMarks().map(
      (mark) => `  ${String(this.#marks.get(mark) ?? 0).padStart(7)} ${mark}: ${MARKS[mark]}`,
    );
    return [
      "marks:",
      ...marks,
      `${this.#runs} runs, ${this.#failures} failed, ${this.#records} records, ${(tookMs / 1_000).toFixed(1)} s, ` +
        `${((this.#runs / tookMs) * 1_000).toFixed(1)} seeds/s, ${ratio} times as fast as real time`,
    ];
  }
}

async function main(): Promise<number> {
  let request: Request;
  try {
    request = requested(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`sim: ${toError(error).message}\n${USAGE}\n`);
    return EXIT_USAGE;
  }
  if (request.isMutants) return await mutants(request.jobs);
  if (request.archive !== undefined) return (await simulateArchive(request.archive, printLine)) === 0 ? 0 : EXIT_FAILED;
  const summary = new Summary();
  const failed: SimPlan[] = [];
  await runJobs(jobsOf(request), request.jobs, (result, { plan }) => {
    summary.add(result);
    if (request.isVerbose) process.stdout.write(`${JSON.stringify({ plan, result }, null, 2)}\n`);
    else if (result.findings.length > 0) process.stdout.write(`${failureLine(result)}\n`);
    if (result.findings.length > 0) failed.push(plan);
    return summary.failures < FAILURES_MAX;
  });
  if (request.isShrinking) await store(failed.slice(0, SHRUNK_MAX));
  process.stdout.write(`${summary.lines.join("\n")}\n`);
  if (summary.failures > 0) return EXIT_FAILED;
  if (request.count < MARKS_FROM_SEEDS || summary.missedMarks.length === 0) return 0;
  process.stdout.write(`FAILED: no seed reached ${summary.missedMarks.join(", ")}\n`);
  return EXIT_FAILED;
}

function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Cuts plans down and writes each to a file of its own. */
async function store(plans: readonly SimPlan[]): Promise<void> {
  for (const plan of plans) {
    const smallest = await shrunk(plan, (candidate) => runPlan(candidate));
    if (smallest === undefined) continue;
    const path = storePlan(smallest);
    process.stdout.write(`stored ${path} with ${smallest.faults.length} of ${plan.faults.length} faults\n`);
  }
}

async function mutants(jobs: number): Promise<number> {
  let missed = 0;
  let tried = 0;
  for await (const { line, isCaught } of runMutants(jobs)) {
    tried++;
    if (!isCaught) missed++;
    process.stdout.write(`${line}\n`);
  }
  process.stdout.write(`${tried} planted mistakes, ${missed} not found out\n`);
  return missed === 0 ? 0 : EXIT_FAILED;
}

function* jobsOf({ plans, isVerbose }: Request): Generator<Job> {
  let index = 0;
  for (const plan of plans) yield { plan, twice: isVerbose || index++ % TWICE_EVERY === 0 };
}

/** One line: what is wrong, and how to see it again. */
function failureLine({ seed, findings }: SimResult): string {
  const [first] = findings;
  const what = (first?.what ?? "").split("\n").slice(0, 2).join(" ");
  return `FAILED seed ${seed}: ${first?.anomaly} ${what} -- again with: npm run sim -- --seed ${seed}`;
}

/** @throws {Error} what is wrong with the arguments */
function requested(args: readonly string[]): Request {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string" },
      seed: { type: "string" },
      from: { type: "string" },
      plan: { type: "string" },
      jobs: { type: "string" },
      mutants: { type: "boolean" },
      archive: { type: "boolean" },
      shrink: { type: "boolean" },
    },
  });
  const jobs = values.jobs === undefined ? availableParallelism() : natural("--jobs", values.jobs);
  if (jobs === 0 || jobs > PERCENT) throw new Error("--jobs is a number from 1 to 100");
  const count = natural("--seeds", values.seeds ?? "100");
  const from = natural("--from", values.from ?? "1");
  const archive = values.archive === true ? { from, count } : undefined;
  const modes = { isMutants: values.mutants === true, isShrinking: values.shrink === true, archive };
  const one = (plan: SimPlan): Request => ({ ...modes, jobs: 1, plans: [plan], count: 1, isVerbose: true });
  if (values.plan !== undefined) return one(parsePlan(readFileSync(values.plan, "utf8")));
  if (values.seed !== undefined) return one(planOf(natural("--seed", values.seed)));
  return { ...modes, jobs, plans: seedPlans(from, count), count, isVerbose: false };
}

function* seedPlans(from: number, count: number): Generator<SimPlan> {
  for (let seed = from; seed < from + count; seed++) yield planOf(seed);
}

function natural(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${name} is a whole number, not "${text}"`);
  return Number(text);
}

process.exitCode = await main();
