/** The race with real parts: the client, the brokers and the mirror as they are, two workers on the same lanes without any
 *  lease, and a network that loses, delays and repeats; time and chance come from a seed. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { walkSource } from "../../src/mirror/source-walk.ts";
import { type RaceOptions, type RaceTally, RaceWorld } from "../support/race-world.ts";

const SEEDS = Number(process.env["RACE_WORLD_SEEDS"] ?? 40);
const FIRST_SEED = Number(process.env["RACE_WORLD_FIRST_SEED"] ?? 1);
const WORKERS = 2;
const DURATION_MS = 3_000;
/** Within this many seeds a mistake built in on purpose must have shown. */
const BROKEN_SEEDS = 25;

/** What is wrong after one seed; undefined when everything holds. */
async function racedWrong(options: RaceOptions, tally?: RaceTally): Promise<string | undefined> {
  // Every other seed merges whatever waits, as a lane with a long way to its target does.
  const hooks = options.seed % 2 === 0 ? { mergeAckMs: 0, ...options.hooks } : options.hooks;
  const world = await RaceWorld.open({ ...options, ...(hooks === undefined ? {} : { hooks }) });
  try {
    const isComplete = await world.race(WORKERS, DURATION_MS);
    for (const [what, count] of Object.entries(world.tally))
      if (tally !== undefined) tally[what as keyof RaceTally] += count;
    const expected = world.values("source");
    const actual = world.values("target");
    for (const [partition, values] of expected.entries()) {
      const at = values.findIndex((value, i) => actual[partition]?.[i] !== value);
      if (at >= 0)
        return `seed ${options.seed} partition ${partition}: record ${at} is ${actual[partition]?.[at]}, not ${values[at]} (${world.laneStates})`;
      if (actual[partition]?.length !== values.length)
        return `seed ${options.seed} partition ${partition}: ${actual[partition]?.length} records, not ${values.length}`;
    }
    if (!isComplete) return `seed ${options.seed}: not complete (${world.laneStates})`;
    const wrong = world.wrongTranslations();
    return wrong.length === 0
      ? undefined
      : `seed ${options.seed}: ${wrong.length} wrong translations, first ${wrong[0]}`;
  } finally {
    await world.close();
  }
}

test("every record lands once and in order when two workers race on the same lanes through real brokers", {
  timeout: 300_000,
}, async () => {
  const tally: RaceTally = {
    kills: 0,
    lostAcks: 0,
    lateReplies: 0,
    lateRequests: 0,
    lostRequests: 0,
    brokerStops: 0,
    holds: 0,
    cuts: 0,
  };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++)
    assert.equal(await racedWrong({ seed }, tally), undefined);
  for (const [what, count] of Object.entries(tally)) assert.ok(count > 0, `no ${what} in any seed`);
});

/** Runs seeds until one of them shows the mistake. */
async function isFoundOut(hooks: RaceOptions["hooks"]): Promise<boolean> {
  for (let seed = 1; seed <= BROKEN_SEEDS; seed++) {
    const wrong = await racedWrong({ seed, ...(hooks === undefined ? {} : { hooks }) }).catch((error: unknown) =>
      String(error),
    );
    if (wrong !== undefined) return true;
  }
  return false;
}

test("the race finds out a lane that trusts its stored position instead of the target", {
  timeout: 300_000,
}, async () => {
  assert.equal(await isFoundOut({ takeover: false }), true);
});

test("the race finds out a takeover whose walk is off by one record", { timeout: 300_000 }, async () => {
  const walk: typeof walkSource = (request, signal) =>
    walkSource({ ...request, records: request.records + 1n }, signal);
  assert.equal(await isFoundOut({ walk }), true);
});
