/** The race with old records: several workers on one lane, some in live mode and some in history mode, that crash or stand still for
 *  seconds, while the target forgets producers of old records at once; every record lands once, in order, and the offset map is exact. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { randomInt } from "../../../src/core/random.ts";
import type { LaneHooks } from "../../../src/mirror/lane-options.ts";
import type { LaneStatus } from "../../../src/mirror/status.ts";
import { MODEL_LIMITS } from "./model/model-target.ts";
import type { TransactionMistakes } from "./model/model-transactions.ts";
import { type Worker, World } from "./model/world.ts";

const SEEDS = Number(process.env["RACE_SEEDS"] ?? 24);
/** Seeds in which a mistake built in on purpose must show. */
const BROKEN_SEEDS = 20;
const FAULTS = { breaks: 0.03, refuses: 0.01, repeats: 0.05, delayMsMax: 20 };
/** Twice the longest standstill, and more: live mode's own margin must hold. */
const LIMITS = { ...MODEL_LIMITS, producerIdExpirationMs: 60_000 };
const FREEZE_MS = 20_000;
const DAY_MS = 86_400_000;
/** How long records of different ages come in turn. */
const RACE_MS = 60_000;

interface Tally {
  entries: number;
  returns: number;
  commits: number;
  aborts: number;
  crashes: number;
  freezes: number;
  leaderChanges: number;
  refusals: number;
  uncleanElections: number;
}

interface RaceOptions {
  readonly seed: number;
  /** Unclean elections: the target loses acknowledged records, and markers. */
  readonly unclean?: boolean;
  readonly history?: TransactionMistakes;
  readonly hooks?: LaneHooks;
}

/** Runs one seed; answers what is wrong, or undefined. */
async function race(
  { seed, history = {}, hooks, unclean }: RaceOptions,
  tally: Tally = noTally(),
): Promise<string | undefined> {
  const world = new World({ seed, faults: FAULTS, history, limits: LIMITS, ...(hooks && { hooks }) });
  const { random, clock, broker, coordinator } = world;
  assert.ok(coordinator !== undefined);
  let isOn = true;
  produceInPhases(world, () => isOn);
  replicateNowAndThen(world);
  forgetNowAndThen(world);
  coordinator.disturb();
  const workers = [world.spawn(), world.spawn()];
  const disturb = (): void => {
    if (!isOn) return;
    disturbOnce(world, workers, tally);
    if (unclean === true && random.next() < 0.3) loseAcknowledged(world, tally);
    clock.after(random.next() * 3_000, disturb);
  };
  clock.after(random.next() * 3_000, disturb);
  let early: string | undefined;
  const watch = (): void => {
    if (unclean !== true) early ??= workers.map(({ lane }) => unseen(world, lane.status)).find(Boolean);
    clock.after(7, watch);
  };
  watch();
  await world.until(() => false, RACE_MS);
  isOn = false;
  const total = world.source.endOffset;
  const isDone = (): boolean => workers.every(({ lane }) => lane.map?.progress.sourceNext === total);
  const done = await world.until(isDone, 120_000);
  await world.until(() => false, 1_000);
  for (const { lane } of workers) {
    tally.entries += lane.status.modes.entries;
    tally.returns += lane.status.modes.returns;
  }
  tally.commits += coordinator.commits;
  tally.aborts += coordinator.aborts;
  tally.refusals += broker.refusals;
  if (world.bugs[0] !== undefined) return world.bugs[0] instanceof Error ? world.bugs[0].stack : String(world.bugs[0]);
  const wrong = early ?? world.difference() ?? workers.map(({ lane }) => world.wrongTranslation(lane)).find(Boolean);
  if (wrong !== undefined || done) return wrong;
  return `not done: ${workers.map(({ lane }) => JSON.stringify(lane.status.reason ?? lane.status.state, (_, v) => (typeof v === "bigint" ? String(v) : v))).join()}`;
}

/** "Progress never passes the commit": in history mode it covers what readers of committed data see. */
function unseen({ broker }: World, { mode, targetNext = 0n }: LaneStatus): string | undefined {
  if (mode !== "history" || targetNext <= broker.lastStableOffset) return undefined;
  return `progress is at ${targetNext}, readers at ${broker.lastStableOffset}`;
}

/** Old records for a while, young ones for a while, and for a while those that grow too old on the way. */
function produceInPhases(world: World, isOn: () => boolean): void {
  const { random, clock } = world;
  let age: "old" | "young" | "mixed" = "old";
  const turn = (): void => {
    age = (["old", "young", "mixed"] as const)[randomInt(random, 3)] ?? "old";
    clock.after(age === "young" ? 15_000 + random.next() * 15_000 : random.next() * 8_000, turn);
  };
  clock.after(random.next() * 5_000, turn);
  const produce = (): void => {
    if (!isOn()) return;
    const limitMs = LIMITS.producerIdExpirationMs / 2;
    const ageMs = { old: 30 * DAY_MS, young: 0, mixed: limitMs * (0.5 + random.next() * 0.6) }[age];
    world.produce(1 + randomInt(random, 5), {}, Math.floor(clock.nowMs() - ageMs));
    clock.after(random.next() * 400, produce);
  };
  produce();
}

function replicateNowAndThen(world: World): void {
  world.broker.commit();
  world.clock.after(world.random.next() * 15, () => replicateNowAndThen(world));
}

function forgetNowAndThen(world: World): void {
  world.broker.expire(world.clock.nowMs() - LIMITS.producerIdExpirationMs);
  world.clock.after(world.random.next() * 30, () => forgetNowAndThen(world));
}

function disturbOnce(world: World, workers: Worker[], tally: Tally): void {
  const { random, broker } = world;
  const dice = random.next();
  const victim = randomInt(random, workers.length);
  if (dice < 0.3) {
    tally.crashes++;
    workers[victim]?.crash();
    // Another worker, or the same one started again.
    workers[victim] = world.spawn({}, random.next() < 0.5 ? workers[victim]?.name : undefined);
  } else if (dice < 0.7) {
    tally.freezes++;
    workers[victim]?.freeze(random.next() * FREEZE_MS);
  } else if (dice < 0.85) broker.restart();
  else {
    tally.leaderChanges++;
    broker.truncate(broker.highWatermark);
  }
}

/** The leader dies with acknowledged records that nobody else has. */
function loseAcknowledged({ broker, random }: World, tally: Tally): void {
  const keep = broker.log.length - randomInt(random, 8);
  tally.uncleanElections++;
  broker.truncate(broker.log[Math.max(0, keep - 1)]?.nextOffset ?? 0n);
}

function noTally(): Tally {
  return {
    uncleanElections: 0,
    entries: 0,
    returns: 0,
    commits: 0,
    aborts: 0,
    crashes: 0,
    freezes: 0,
    leaderChanges: 0,
    refusals: 0,
  };
}

/** Seeds of `count` that show something wrong, `enough` of them at most. */
async function failingSeeds(
  count: number,
  options: Omit<RaceOptions, "seed"> & { readonly enough?: number },
  tally?: Tally,
): Promise<string[]> {
  const failures: string[] = [];
  for (let seed = 1; seed <= count && failures.length < (options.enough ?? count); seed++) {
    const wrong = await race({ ...options, seed }, tally);
    if (wrong !== undefined) failures.push(`seed ${seed}: ${wrong}`);
  }
  return failures;
}

test("lane appends each record once when old and young ones come in turn and workers stand still in either mode", async (t) => {
  const tally = noTally();
  assert.deepEqual(await failingSeeds(SEEDS, {}, tally), []);
  t.diagnostic(JSON.stringify(tally));
  assert.ok(tally.entries > SEEDS && tally.returns > SEEDS / 4 && tally.commits > 10 * SEEDS && tally.aborts > 0);
});

test("lane restores what the target lost in unclean elections, in either mode", async (t) => {
  const tally = noTally();
  assert.deepEqual(await failingSeeds(SEEDS / 2, { unclean: true }, tally), []);
  t.diagnostic(JSON.stringify(tally));
  assert.ok(tally.uncleanElections > SEEDS);
});

/** A worker stands still between looking at a batch's age and sending it; meanwhile the batch grows too old for live mode, and another
 *  worker copies it in a transaction. */
async function lateLiveWriter(history: TransactionMistakes): Promise<string | undefined> {
  const world = new World({ seed: 1, history, limits: LIMITS, replicatesMs: 50 });
  const ageMs = LIMITS.producerIdExpirationMs / 2 - 1_000;
  for (let i = 0; i < 2; i++) world.produce(1, {}, world.clock.nowMs() - ageMs);
  const frozen = world.spawn();
  assert.ok(
    await world.until(() => world.broker.log.length === 1, 1_000),
    "the first batch is there, the second waits",
  );
  frozen.freeze(6_000);
  await world.until(() => false, 2_000);
  const other = world.spawn();
  assert.ok(await world.until(() => other.lane.map?.progress.count === 2n, 3_000), "the other worker copies both");
  assert.equal(other.lane.status.mode, "history");
  await world.until(() => false, 10_000);
  return world.difference();
}

test("batch of a worker that stood still is refused once another worker went over to history mode", async () => {
  assert.equal(await lateLiveWriter({}), undefined);
});

test("batch of a worker that stood still lands twice when the fence keeps nobody out", async () => {
  assert.match((await lateLiveWriter({ fencesNobody: true })) ?? "", /expected none, got v1/);
});

test("race finds wrong records when the history topic is read to its stable end only", async () => {
  assert.ok((await failingSeeds(BROKEN_SEEDS, { history: { readsToStableEnd: true }, enough: 1 })).length > 0);
});

test("race finds wrong records when a commit takes in what a lost abort marker left open", async () => {
  const history = { tellsNoLeftovers: true };
  assert.ok((await failingSeeds(BROKEN_SEEDS, { history, unclean: true, enough: 1 })).length > 0);
});
