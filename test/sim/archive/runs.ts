/** Runs of an archive's processes with interruptions: at every step in turn, or at chosen ones. */

import { seededRandom } from "../../support/seeded-random.ts";
import { interruptedAtEveryStep } from "./every-step.ts";
import { assertAllArchived, assertNoOrphans, assertNothingLeft, assertSound } from "./invariants.ts";
import { forgetDeleted, gc, type Job, offload, retire, wait } from "./jobs.ts";
import { type Ending, Life, type StepHook } from "./life.ts";
import { type ArchiveProcess, type ArchiveWorld, arriveAll, openArchiveWorld, processIn } from "./world.ts";

/** Passes after which everything must be at rest. */
const SETTLE_PASSES = 3;
/** Microtasks that a step may take, so that the steps of several processes fall between each other. */
const TICKS_MAX = 12;

/** A mistake in a process, planted by what it sees of the world. */
export type Mistake = (process: ArchiveProcess, world: ArchiveWorld) => ArchiveProcess;

/** A kind of run. */
export interface Scenario {
  readonly name: string;
  /** Before anything is interrupted; without a mistake. */
  readonly before?: Job;
  /** What is interrupted. */
  readonly job: Job;
  /** What happens while it stands still; without it, it dies. */
  readonly meanwhile?: Job;
  /** What happens before others finish what it began. */
  readonly after?: Job;
}

/** Interrupts the job at each of its steps in turn; answers at how many. @throws {AssertionError} the invariant that broke */
export function atEveryStep(scenario: Scenario, mistake?: Mistake): Promise<number> {
  const { name, before, job, meanwhile, after } = scenario;
  return interruptedAtEveryStep(name, async (interruption) => {
    const world = openArchiveWorld(4);
    if (before !== undefined) await work(world, before);
    arriveAll(world);
    const hook = interruption.hook(meanwhile === undefined ? undefined : () => work(world, meanwhile));
    await work(world, job, { hook, mistake });
    await assertSound(world);
    if (after !== undefined) await work(world, after);
    await settle(world, mistake);
  });
}

/** Two offloaders, a gc and a retention at once, in an order chosen by the seed; up to two of them die; lists lag behind. */
export async function atRandom(
  seed: number,
  mistake?: Mistake,
  jobs: readonly Job[] = [offload, offload, gc, retire],
): Promise<void> {
  const random = seededRandom(seed);
  const world = openArchiveWorld(1 + Math.floor(random.next() * 5));
  await work(world, offload);
  arriveAll(world);
  const lag = random.next() < 0.5 ? seededRandom(seed + 1) : undefined;
  const mortal = [Math.floor(random.next() * jobs.length), Math.floor(random.next() * jobs.length)];
  const lives = jobs.map(async (job, index) => {
    const dies = mortal.includes(index) ? Math.floor(random.next() * 150) : undefined;
    const hook: StepHook = async (step) => {
      for (let ticks = Math.floor(random.next() * TICKS_MAX); ticks > 0; ticks--) await Promise.resolve();
      return step === dies ? "die" : "go";
    };
    await work(world, job, { hook, mistake, lag });
  });
  await Promise.all(lives);
  await assertSound(world);
  await settle(world, mistake);
}

interface WorkOptions {
  readonly hook?: StepHook;
  readonly mistake?: Mistake | undefined;
  readonly lag?: ReturnType<typeof seededRandom> | undefined;
}

/** One process, from its start to its end or its death. */
async function work(world: ArchiveWorld, job: Job, { hook, mistake, lag }: WorkOptions = {}): Promise<Ending> {
  const life = new Life(hook);
  const view = { life, seed: ++world.processes, ...(lag === undefined ? {} : { lag }) };
  const process = processIn(world, view);
  return life.run(() => job(mistake?.(process, world) ?? process, world));
}

/** New processes finish what was begun; then nothing may be missing and nothing be left over. */
async function settle(world: ArchiveWorld, mistake: Mistake | undefined): Promise<void> {
  if (!world.isTopicThere) {
    await settleDeleted(world);
    return;
  }
  for (let pass = 0; pass < SETTLE_PASSES; pass++) await work(world, offload, { mistake });
  await assertSound(world);
  assertAllArchived(world);
  await work(world, wait);
  await work(world, gc);
  await assertSound(world);
  assertNoOrphans(world);
}

/** The archive follows its topic. */
async function settleDeleted(world: ArchiveWorld): Promise<void> {
  for (let pass = 0; pass < SETTLE_PASSES; pass++) {
    await work(world, forgetDeleted);
    await work(world, wait);
  }
  assertNothingLeft(world);
}
