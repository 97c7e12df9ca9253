/** A compacted topic of ours over an embedded region; its client overwrites the memory of answers as soon as it is given back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaInternalTopic } from "../../src/adapters/kafka-internal-topic.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { MirrorWorld, type Side } from "./mirror-world.ts";

const NOTES = "tributary.notes.internal";

function open({ client }: Side): Promise<KafkaInternalTopic> {
  return KafkaInternalTopic.open({ name: NOTES }, { client, clock: nodeClock() });
}

function note(at: number) {
  return { route: "lane", key: `key-${at}`, value: Buffer.alloc(1_000 + at, at) };
}

test("internal topic hands over values that outlive their frames", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("central", { brokers: 1 });
  const notes = Array.from({ length: 100 }, (_, at) => note(at));
  await (await open(side)).append(notes);
  const read = new Map<string, Buffer | null>();
  await (await open(side)).readNew((key, value) => read.set(key, value));
  // Another answer takes the place of the one that the values came in.
  await (await open(side)).readNew(() => undefined);
  const damaged = notes.filter(({ key, value }) => read.get(key)?.equals(value) !== true);
  assert.deepEqual(
    [...read.keys()],
    notes.map(({ key }) => key),
  );
  assert.deepEqual(
    damaged.map(({ key }) => key),
    [],
  );
});

test("internal topic is read time and again in the same memory", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("central", { brokers: 1 });
  const notes = Array.from({ length: 100 }, (_, at) => note(at));
  await (await open(side)).append(notes);
  const { fetchFrames } = side.client;
  assert.equal(fetchFrames.freeBytes, 0);
  await (await open(side)).readNew(() => undefined);
  const freeBytes = fetchFrames.freeBytes;
  assert.ok(freeBytes >= notes.reduce((sum, { value }) => sum + value.length, 0));
  for (let round = 0; round < 3; round++) await (await open(side)).readNew(() => undefined);
  assert.equal(fetchFrames.freeBytes, freeBytes);
});
