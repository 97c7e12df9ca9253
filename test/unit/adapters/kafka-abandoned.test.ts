/** "A dead worker's transactions keep nobody waiting": which of them are ended, and how soon. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ABANDONED_MS, HEAD_START_MS } from "../../../src/adapters/kafka-abandoned.ts";
import { AbandonedWorld } from "./abandoned-world.ts";

/** Less than any of the times here, and more than the requests of a look take. */
const MOMENT_MS = 50;
const FOR_LONG_MS = 5 * ABANDONED_MS;

test("abandoned transaction of another worker is ended once it has rested for a second", async () => {
  await using world = await AbandonedWorld.open();
  await world.begin({ worker: "dead" });
  const waiter = world.waiter("waits");
  assert.equal(await waiter.look(), 1);
  await world.pass(ABANDONED_MS - MOMENT_MS);
  assert.equal(await waiter.look(), 1);
  await world.pass(MOMENT_MS);
  assert.equal(await waiter.look(), 0);
});

test("abandoned transaction counts its rest from its record's time when it is seen first", async () => {
  await using world = await AbandonedWorld.open();
  await world.begin({ worker: "dead", ageMs: 300 });
  const waiter = world.waiter("waits");
  assert.equal(await waiter.look(), 1);
  await world.pass(ABANDONED_MS - 300);
  assert.equal(await waiter.look(), 0);
});

test("abandoned transaction of a clock that is ahead counts its rest from when it is seen first", async () => {
  await using world = await AbandonedWorld.open();
  await world.begin({ worker: "dead", ageMs: -FOR_LONG_MS });
  const waiter = world.waiter("waits");
  assert.equal(await waiter.look(), 1);
  await world.pass(ABANDONED_MS);
  assert.equal(await waiter.look(), 0);
});

test("who has just begun to look leaves even an old transaction to its own worker for half a second", async () => {
  await using world = await AbandonedWorld.open();
  await world.begin({ worker: "restarts", ageMs: FOR_LONG_MS });
  const waiter = world.waiter("waits");
  assert.equal(await waiter.look(), 1);
  await world.pass(HEAD_START_MS - MOMENT_MS);
  assert.equal(await waiter.look(), 1);
  await world.pass(MOMENT_MS);
  assert.equal(await waiter.look(), 0);
});

test("worker ends at once what one of its name left, but none without a name takes another for itself", async () => {
  await using world = await AbandonedWorld.open();
  await world.begin({ worker: "" });
  assert.equal(await world.waiter("").look(), 1);
  await world.commit();
  await world.begin({ worker: "restarts" });
  assert.equal(await world.waiter("waits").look(), 1);
  assert.equal(await world.waiter("restarts").look(), 0);
});

test("transaction that this process has in its hands is not ended, however long it takes", async () => {
  await using world = await AbandonedWorld.open();
  await world.begin({ worker: "busy", ageMs: FOR_LONG_MS });
  const asked: unknown[] = [];
  const waiter = world.waiter("busy", ({ worker }, producerEpoch) => {
    asked.push([worker, producerEpoch]);
    return true;
  });
  assert.equal(await waiter.look(), 1);
  await world.pass(FOR_LONG_MS);
  assert.equal(await waiter.look(), 1);
  const question = ["busy", world.writerEpoch];
  assert.deepEqual(asked, [question, question]);
});

test("worker that commits and begins again is not taken for dead, although one of its transactions is always open", async () => {
  await using world = await AbandonedWorld.open();
  const waiter = world.waiter("waits");
  for (let passedMs = 0; passedMs < FOR_LONG_MS; passedMs += ABANDONED_MS / 2) {
    await world.begin({ worker: "busy" });
    assert.equal(await waiter.look(), 1);
    await world.pass(ABANDONED_MS / 2);
    await world.commit();
  }
});

test("transaction whose record this version does not understand is left to its timeout", async () => {
  await using world = await AbandonedWorld.open();
  await world.beginWith(Buffer.from("{}"));
  const waiter = world.waiter("waits");
  assert.equal(await waiter.look(), 1);
  await world.pass(FOR_LONG_MS);
  assert.equal(await waiter.look(), 1);
});

test("transaction that could not be ended is ended again when it has rested for another second", async () => {
  await using world = await AbandonedWorld.open();
  await world.begin({ worker: "restarts" });
  const timesAsked = world.refuseWriters();
  const waiter = world.waiter("restarts");
  assert.equal(await waiter.look(), 1);
  await world.pass(ABANDONED_MS - MOMENT_MS);
  assert.deepEqual([await waiter.look(), timesAsked()], [1, 1]);
  await world.pass(MOMENT_MS);
  assert.deepEqual([await waiter.look(), timesAsked()], [1, 2]);
});
