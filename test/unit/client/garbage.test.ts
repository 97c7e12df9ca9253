/** What is in use once for each request dies young: were it kept by dead tables of maps, the whole heap would have to be collected every
 *  few seconds, which holds all lanes for tens of milliseconds. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FetchSession } from "../../../src/client/fetch-session.ts";
import { InFlight } from "../../../src/client/in-flight.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";

const REQUESTS = 4_000;
/** Of the young generation only, every so many requests. */
const COLLECT_EVERY = 200;
/** What each request carries. */
const REQUEST_NUMBERS = 256;
/** A twentieth of what all requests carry; what compilers leave in the old generation is less. */
const OLD_GROWTH_BYTES_MAX = (REQUESTS * REQUEST_NUMBERS * 8) / 20;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { readonly type: "minor" | "major" }) => void;

/** Bytes by which the old generation grew over all requests. */
function oldGrowthBytes(request: (id: number) => void): number {
  for (let id = 0; id < COLLECT_EVERY; id++) request(id);
  collect({ type: "major" });
  const before = oldBytes();
  for (let id = 0; id < REQUESTS; id++) {
    request(id);
    if (id % COLLECT_EVERY === 0) collect({ type: "minor" });
  }
  return oldBytes() - before;
}

function oldBytes(): number {
  const old = getHeapSpaceStatistics().find((space) => space.space_name === "old_space");
  return old?.space_used_size ?? 0;
}

function load(): readonly number[] {
  return Array.from({ length: REQUEST_NUMBERS }, (_, at) => at + 0.5);
}

test("connection's exchanges die young", () => {
  const inFlight = new InFlight({ requestsMax: 5, bytesMax: 1_000, waitingMax: 10 });
  const growth = oldGrowthBytes((correlationId) => {
    const carried = load();
    const end = (): void => void carried.length;
    const settle = { sentMs: 0, onFrame: end, onError: end };
    inFlight.enqueue({ correlationId, api: "Fetch", parts: [], bytes: 10, expectsResponse: true, ...settle });
    inFlight.next();
    inFlight.answered(correlationId);
  });
  assert.ok(growth < OLD_GROWTH_BYTES_MAX, `${growth} bytes`);
});

test("fetch session's requests die young", () => {
  const session = new FetchSession();
  const growth = oldGrowthBytes((offset) => {
    const partition = {
      topic: "orders",
      topicId: ZERO_UUID,
      index: 0,
      fetchOffset: BigInt(offset),
      lastFetchedEpoch: -1,
      currentLeaderEpoch: -1,
      maxBytes: 1,
      carried: load(),
    };
    session.put(partition);
    session.next();
    session.settle({ errorCode: 0, sessionId: 7 });
  });
  assert.ok(growth < OLD_GROWTH_BYTES_MAX, `${growth} bytes`);
});
