/** Who leads and who is in sync after brokers come and go: the pure rule. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { electedState, type PartitionState, preferredState } from "../../../src/broker/election.ts";

const STATE: PartitionState = { replicas: [1, 2, 3], leaderId: 1, leaderEpoch: 5, isr: [1, 2, 3] };
const running = (...ids: readonly number[]) => ({
  isRunning: (id: number) => ids.includes(id),
  uncleanElection: false,
});

test("election changes nothing while leader and in-sync replicas run", () => {
  assert.equal(electedState(STATE, running(1, 2, 3)), STATE);
});

test("election takes a stopped follower out of the in-sync set and keeps the epoch", () => {
  assert.deepEqual(electedState(STATE, running(1, 3)), { ...STATE, isr: [1, 3] });
});

test("election gives leadership to the first replica in sync that runs, in a new epoch", () => {
  assert.deepEqual(electedState({ ...STATE, isr: [1, 3] }, running(2, 3)), {
    ...STATE,
    leaderId: 3,
    leaderEpoch: 6,
    isr: [3],
  });
});

test("election leaves a partition without a leader and remembers who was in sync when nobody in sync runs", () => {
  const alone = { ...STATE, isr: [1] };
  const leaderless = electedState(alone, running(2, 3));
  assert.deepEqual(leaderless, { ...alone, leaderId: -1, leaderEpoch: 6 });
  assert.equal(electedState(leaderless, running(2, 3)), leaderless);
  assert.deepEqual(electedState(leaderless, running(1, 2)), { ...alone, leaderId: 1, leaderEpoch: 7 });
});

test("unclean election makes a replica out of sync the leader and the only one in sync", () => {
  const rules = { ...running(2, 3), uncleanElection: true };
  assert.deepEqual(electedState({ ...STATE, isr: [1] }, rules), { ...STATE, leaderId: 2, leaderEpoch: 6, isr: [2] });
});

test("preferred election moves leadership to the first replica only when it runs and is in sync", () => {
  const led = { ...STATE, leaderId: 2 };
  assert.deepEqual(preferredState(led, running(1, 2, 3)), { ...led, leaderId: 1, leaderEpoch: 6 });
  assert.equal(preferredState(led, running(2, 3)).leaderId, 2);
  assert.equal(preferredState({ ...led, isr: [2, 3] }, running(1, 2, 3)).leaderId, 2);
  assert.equal(preferredState({ ...led, leaderId: -1 }, running(1, 2, 3)).leaderId, -1);
});
