/** Runs of the processes that archive a Kafka topic, interrupted at every step in turn. */

import { interruptedAtEveryStep } from "../every-step.ts";
import { type Ending, Life, type StepHook } from "../life.ts";
import { Cluster } from "./cluster.ts";
import { assertAllArchived, assertNoOrphans, assertSound } from "./invariants.ts";
import { gc, type KafkaJob, offloadKafka, wait } from "./jobs.ts";
import type { Survival } from "./spool-disk.ts";
import { type KafkaProcess, type KafkaWorld, openKafkaWorld, PLACES, type Place, processIn, write } from "./world.ts";

/** Passes after which everything must be at rest. */
const SETTLE_PASSES = 2;
const BATCHES = 10;
/** Offsets that a group has yet to read while something is interrupted. */
const UNREAD = 20n;

/** A mistake in a process, planted by what it sees of the world. */
export type KafkaMistake = (process: KafkaProcess, world: KafkaWorld) => KafkaProcess;

/** A kind of run. */
export interface KafkaScenario {
  readonly name: string;
  /** Before anything is interrupted, and before as many records come again; without a mistake. */
  readonly before?: KafkaJob;
  /** What is interrupted. */
  readonly job: KafkaJob;
  /** What happens while it stands still, in another place; without it, it dies. */
  readonly meanwhile?: KafkaJob;
  /** What its successor does first. */
  readonly after?: KafkaJob;
  /** What is left of its disk when it dies. */
  readonly survives?: Survival;
}

/** Interrupts the job at each of its steps in turn; answers at how many. @throws {AssertionError} the invariant that broke */
export async function atEveryKafkaStep(scenario: KafkaScenario, mistake?: KafkaMistake): Promise<number> {
  const { name, before, job, meanwhile, after, survives = "written" } = scenario;
  await using cluster = await Cluster.open();
  const run = async (hookOf: (world: KafkaWorld) => StepHook): Promise<void> => {
    const world = await openKafkaWorld(cluster);
    await write(world, BATCHES, UNREAD);
    if (before !== undefined) {
      await work(world, before);
      await write(world, BATCHES, UNREAD);
    }
    const ending = await work(world, job, { hook: hookOf(world), mistake });
    if (ending === "dead") world.disks.get("here")?.crash(survives);
    await assertSound(world);
    if (after !== undefined) await work(world, after, { mistake });
    await settle(world, { mistake, places: meanwhile === undefined ? ["here"] : PLACES });
    if (world.isTopicThere) await cluster.removeTopic(world.partition);
  };
  return await interruptedAtEveryStep(name, (interruption) =>
    cluster.driven(
      run((world) =>
        interruption.hook(meanwhile === undefined ? undefined : () => work(world, meanwhile, { place: "elsewhere" })),
      ),
    ),
  );
}

interface WorkOptions {
  readonly hook?: StepHook;
  readonly mistake?: KafkaMistake | undefined;
  readonly place?: Place;
}

/** One process, from its start to its end or its death. */
async function work(
  world: KafkaWorld,
  job: KafkaJob,
  { hook, mistake, place = "here" }: WorkOptions = {},
): Promise<Ending> {
  const life = new Life(hook);
  const client = await world.cluster.connect();
  const disk = world.disks.get(place);
  if (disk === undefined) throw new Error(`no disk ${place}`);
  const process = processIn(world, { life, client, disk, seed: ++world.processes });
  try {
    return await life.run(() => job(mistake?.(process, world) ?? process, world));
  } finally {
    await client.close();
  }
}

interface SettleOptions {
  readonly mistake: KafkaMistake | undefined;
  /** Where offloaders were at work. */
  readonly places: readonly Place[];
}

/** New processes finish what was begun, and the group reads on; then nothing may be missing and nothing be left over. */
async function settle(world: KafkaWorld, { mistake, places }: SettleOptions): Promise<void> {
  const { cluster, partition } = world;
  if (world.isTopicThere) {
    world.readTo = cluster.log(partition)?.endOffset ?? 0n;
    await cluster.commit(partition, world.readTo);
  }
  for (let pass = 0; pass < SETTLE_PASSES; pass++)
    for (const place of places) await work(world, offloadKafka(true), { mistake, place });
  await assertSound(world);
  await assertAllArchived(world);
  await work(world, wait);
  await work(world, gc);
  await assertSound(world);
  assertNoOrphans(world);
}
