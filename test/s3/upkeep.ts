/** Archives in real buckets are mended and kept by their rules, on the servers' own clocks. */

import { test } from "node:test";
import { keepsAndMendsArchives } from "../support/archive-upkeep.ts";
import { newBucket, openStore } from "./buckets.ts";
import { SERVERS } from "./shared-servers.ts";

const timeout = 120_000;

for (const { name, skip, get: server } of SERVERS) {
  test(`an archive in a bucket of ${name} is scrubbed, mended, cut by retention and collected`, {
    skip,
    timeout,
  }, async () => {
    const store = await openStore(await newBucket(await server()));
    await keepsAndMendsArchives(store);
    store.close();
  });
}
