/** Every step between the states of a lane. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { LaneFault } from "../../../src/mirror/errors.ts";
import { INITIAL_STATE, type LaneEvent, type LaneState, step } from "../../../src/mirror/lane-state.ts";

const AT = { topic: "t", partition: 0 };
const DOUBT: LaneFault = { code: "TARGET_DOUBT", ...AT, why: "NOT_LEADER_OR_FOLLOWER" };
const GAP: LaneFault = { code: "SOURCE_GAP", ...AT, fromOffset: 1n, logStartOffset: 2n };

function after(...events: readonly LaneEvent[]): LaneState {
  return events.reduce(step, INITIAL_STATE);
}

test("lane copies alone after takeover until the first ack", () => {
  assert.deepEqual(after({ kind: "found" }), { kind: "copying", alone: true, attempt: 0 });
  assert.deepEqual(after({ kind: "found" }, { kind: "acked" }), { kind: "copying", alone: false, attempt: 0 });
});

test("lane copies alone again after any doubt", () => {
  const events: LaneEvent[] = [{ kind: "found" }, { kind: "acked" }, { kind: "failed", fault: DOUBT }];
  assert.deepEqual(after(...events), { kind: "waiting", attempt: 1, fault: DOUBT });
  assert.deepEqual(after(...events, { kind: "woken" }, { kind: "found" }), {
    kind: "copying",
    alone: true,
    attempt: 1,
  });
});

test("lane counts troubles until a batch is acknowledged", () => {
  const trouble: LaneEvent[] = [{ kind: "failed", fault: DOUBT }, { kind: "woken" }];
  assert.deepEqual(after(...trouble, ...trouble), { kind: "seeking", attempt: 2 });
  const ended = after(...trouble, ...trouble, { kind: "found" }, { kind: "acked" });
  assert.deepEqual(ended, { kind: "copying", alone: false, attempt: 0 });
});

test("lane stops at a fault that does not pass", () => {
  assert.deepEqual(after({ kind: "found" }, { kind: "failed", fault: GAP }), { kind: "stopped", fault: GAP });
});

test("lane that stopped or drained stays so whatever happens", () => {
  const events = fc.array(
    fc.constantFrom<LaneEvent>(
      { kind: "found" },
      { kind: "acked" },
      { kind: "failed", fault: DOUBT },
      { kind: "failed", fault: GAP },
      { kind: "woken" },
      { kind: "asked-to-stop" },
    ),
  );
  fc.assert(
    fc.property(events, (list) => {
      let state: LaneState = INITIAL_STATE;
      for (const event of list) {
        const next = step(state, event);
        if (state.kind === "stopped" || state.kind === "drained") assert.equal(next, state);
        if (next.kind === "copying" && !next.alone && state.kind !== "copying") assert.fail("not alone at first");
        state = next;
      }
    }),
  );
});
