/** The race: several workers on one lane at the same time, with lost acks, late and repeated requests, refused requests, crashes
 *  and leader changes; every record lands once, in order, and the offset map is exact. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { randomInt } from "../../../src/core/random.ts";
import { walkSource } from "../../../src/mirror/source-walk.ts";
import { type Worker, World, type WorldOptions } from "./model/world.ts";

const SEEDS = Number(process.env["RACE_SEEDS"] ?? 500);
/** Seeds in which a mistake built in on purpose must show. */
const BROKEN_SEEDS = 20;
const FAULTS = { breaks: 0.05, refuses: 0.03, repeats: 0.05, delayMsMax: 20 };

/** What happened in all seeds together: a race without trouble would prove nothing. */
interface Tally {
  refusals: number;
  duplicates: number;
  crashes: number;
  leaderChanges: number;
  walkedRecords: bigint;
}

/** Runs one seed; answers what is wrong, or undefined. */
async function race(options: WorldOptions, tally: Tally = noTally()): Promise<string | undefined> {
  const world = new World({ faults: FAULTS, ...options });
  const { random, clock, broker } = world;
  for (let i = randomInt(random, 12); i > 0; i--) world.produce(1 + randomInt(random, 6));
  const workers = [world.spawn(), world.spawn()];
  const batches = 20 + randomInt(random, 40);
  for (let i = 0; i < batches; i++) clock.after(random.next() * 400, () => world.produce(1 + randomInt(random, 6)));
  replicateNowAndThen(world);
  let trouble = true;
  const disturb = (): void => {
    if (!trouble) return;
    disturbOnce(world, workers, tally);
    clock.after(random.next() * 100, disturb);
  };
  clock.after(random.next() * 100, disturb);
  await world.until(() => false, 800);
  trouble = false;
  const total = world.source.endOffset;
  const isDone = (): boolean => workers.every(({ lane }) => lane.map?.progress.sourceNext === total);
  const done = await world.until(isDone, 60_000);
  await world.until(() => false, 400);
  for (const { lane } of workers) tally.walkedRecords += lane.status.repeatsAvoided;
  tally.refusals += broker.refusals;
  tally.duplicates += broker.duplicates;
  if (world.bugs[0] !== undefined) return String(world.bugs[0]);
  const wrong = world.difference() ?? workers.map(({ lane }) => world.wrongTranslation(lane)).find(Boolean);
  if (wrong !== undefined || done) return wrong;
  return `not done: ${workers.map(({ lane }) => lane.status.reason?.code ?? "no reason").join()}`;
}

function noTally(): Tally {
  return { refusals: 0, duplicates: 0, crashes: 0, leaderChanges: 0, walkedRecords: 0n };
}

function replicateNowAndThen(world: World): void {
  world.broker.commit();
  world.clock.after(world.random.next() * 15, () => replicateNowAndThen(world));
}

function disturbOnce(world: World, workers: Worker[], tally: Tally): void {
  const { random, broker } = world;
  const dice = random.next();
  const victim = randomInt(random, workers.length);
  if (dice < 0.35) {
    tally.crashes++;
    workers[victim]?.crash();
    workers[victim] = world.spawn();
  } else if (dice < 0.5) broker.restart();
  else if (dice < 0.65) {
    tally.leaderChanges++;
    broker.truncate(broker.highWatermark);
  }
}

/** Seeds of `count` that show something wrong. */
async function failingSeeds(count: number, options: Omit<WorldOptions, "seed">, tally?: Tally): Promise<string[]> {
  const failures: string[] = [];
  for (let seed = 1; seed <= count; seed++) {
    const wrong = await race({ ...options, seed }, tally);
    if (wrong !== undefined) failures.push(`seed ${seed}: ${wrong}`);
  }
  return failures;
}

test("lane appends each record once when two workers write it at the same time", async (t) => {
  const tally = noTally();
  assert.deepEqual(await failingSeeds(SEEDS, {}, tally), []);
  t.diagnostic(JSON.stringify(tally, (_key, value) => (typeof value === "bigint" ? Number(value) : value)));
  assert.ok(
    tally.refusals > SEEDS && tally.duplicates > SEEDS && tally.crashes > SEEDS && tally.leaderChanges > SEEDS / 2,
  );
});

test("race finds lost or repeated records when the walk of takeover is one record short", async () => {
  const walk: typeof walkSource = (request, signal) =>
    walkSource({ ...request, records: request.records - 1n }, signal);
  assert.ok((await failingSeeds(BROKEN_SEEDS, { hooks: { walk } })).length > 0);
});

test("race finds repeated records when the target compares no sequences", async () => {
  assert.ok((await failingSeeds(BROKEN_SEEDS, { dedup: false })).length > 0);
});

test("race finds missing records when the first batch of a lane does not go alone", async () => {
  assert.ok(
    (await failingSeeds(BROKEN_SEEDS, { hooks: { inFlightAlone: 5 }, faults: { ...FAULTS, refuses: 0.3 } })).length > 0,
  );
});

test("race finds wrong records when a lane trusts its stored position instead of the target", async () => {
  assert.ok((await failingSeeds(BROKEN_SEEDS, { hooks: { takeover: false } })).length > 0);
});
