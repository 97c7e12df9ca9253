/** Archives in real buckets, read by stock clients while the way to the bucket is troubled. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { openS3StoreToRead } from "../../src/adapters/s3/s3-store.ts";
import { hasFaultCode } from "../../src/core/errors.ts";
import { inOrder, openArchiveSource, readInGroup, serveArchive, writeFlights } from "../support/archive-world.ts";
import { newBucket, openStore } from "./buckets.ts";
import { type HttpFault, startFaultProxy } from "./fault-proxy.ts";
import { SERVERS } from "./shared-servers.ts";

const timeout = 120_000;
const COMMITTED = 400;
/** What happens to requests in turn; most of them pass. */
const TROUBLE: readonly (HttpFault | undefined)[] = [
  ...(["slow-down", undefined, "cut-answer", undefined, "lose-answer", "slow-down", undefined, undefined] as const),
];

for (const { name, skip, get: server } of SERVERS) {
  test(`an archive in a bucket of ${name} is served whole, and of refusals, cut bodies and lost answers readers see delays only`, {
    skip,
    timeout,
  }, async () => {
    const place = await newBucket(await server());
    const store = await openStore(place);
    await using source = await openArchiveSource(store);
    await writeFlights(source);
    const written = inOrder(await readInGroup(source.kafka, { groupId: "before", records: COMMITTED }));
    await source.archive();
    const keys = await store.list("");
    store.close();

    await using proxy = await startFaultProxy(place.endpoint ?? "");
    let turn = 0;
    proxy.choose = () => TROUBLE[turn++ % TROUBLE.length];
    const troubled = await openS3StoreToRead(
      { ...place, endpoint: proxy.endpoint },
      { clock: nodeClock(), random: nodeRandom() },
    );
    {
      await using served = await serveArchive(troubled);
      assert.deepEqual(inOrder(await readInGroup(served.kafka, { groupId: "after", records: COMMITTED })), written);
      const { requests } = served.server.figures;
      // A second reader finds all of it here.
      await readInGroup(served.kafka, { groupId: "later", records: COMMITTED });
      assert.equal(served.server.figures.requests, requests);
      await using again = await served.restart();
      await readInGroup(again.kafka, { groupId: "much-later", records: COMMITTED });
      assert.deepEqual([again.server.figures.requests, again.server.figures.fileHits > 0], [0, true]);
    }
    troubled.close();
    assert.ok(turn > TROUBLE.length);
    // Never writes to the bucket.
    assert.deepEqual(
      proxy.requests.filter(({ method }) => method !== "GET" && method !== "HEAD"),
      [],
    );
    const after = await openStore(place);
    assert.deepEqual(await after.list(""), keys);
    after.close();
  });

  test(`a bucket of ${name} that is not there is told of before anything is served`, { skip, timeout }, async () => {
    const place = await newBucket(await server());
    const deps = { clock: nodeClock(), random: nodeRandom() };
    await assert.rejects(openS3StoreToRead({ ...place, bucket: "no-such-bucket" }, deps), (error) =>
      hasFaultCode(error, "STORE_NO_BUCKET"),
    );
  });
}
