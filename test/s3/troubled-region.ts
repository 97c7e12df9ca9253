/** A region of its own over a bucket that a test makes trouble for: what it says about that, and whether all records stay. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import type { S3StoreOptions } from "../../src/adapters/s3/s3-options.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { control } from "../../src/runtime/control-client.ts";
import { RegionProcess } from "../../src/runtime/region-process.ts";
import type { TierStatus } from "../../src/runtime/tier-runner.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { verifyPartition } from "../../src/tier/verify.ts";
import type { S3Access } from "../../src/topology/store-schema.ts";
import { produceAgain, produceAll, readAll } from "../support/cold-region.ts";
import { newBucket, openStore } from "./buckets.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";
import { specWith } from "./region-spec.ts";
import type { S3Server } from "./servers.ts";

/** Patience with a pass that tries each request again. */
const PASS_MS_MAX = 60_000;

/** A region that archives. */
export interface ArchivingRegion extends AsyncDisposable {
  /** One pass; what it failed with. */
  offload(): Promise<string | undefined>;
  status(): Promise<TierStatus>;
  /** As many records again. */
  produceMore(): Promise<void>;
  /** Every record that was written can be read, and is what it was. */
  assertNothingLost(): Promise<void>;
  /** The archive holds segments, and nothing is wrong with it. */
  assertWhole(): Promise<void>;
}

/** One whose bucket lies behind a proxy. */
export interface TroubledRegion extends ArchivingRegion {
  readonly server: S3Server;
  readonly bucket: S3StoreOptions;
  /** Between the region and the server. */
  readonly proxy: FaultProxy;
  /** Past the proxy. */
  readonly store: ObjectStore;
}

/** Opens a region that has written a topic of many segments and archived none of them. */
export async function openTroubledRegion(server: S3Server): Promise<TroubledRegion> {
  await using cleanup = new AsyncDisposableStack();
  const bucket = await newBucket(server);
  const proxy = cleanup.use(await startFaultProxy(server.endpoint));
  const store = await openStore(bucket);
  cleanup.defer(() => store.close());
  const access = { ...bucket.credentials, endpoint: proxy.endpoint };
  const region = cleanup.use(await openArchivingRegion(`s3://${bucket.bucket}/${bucket.prefix}`, access, store));
  const resources = cleanup.move();
  return { ...region, server, bucket, proxy, store, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** The same over any store, which the test looks into by another way. */
export async function openArchivingRegion(url: string, access: S3Access, store: ObjectStore): Promise<ArchivingRegion> {
  await using cleanup = new AsyncDisposableStack();
  const root = mkdtempSync(join(tmpdir(), "tier-trouble-"));
  cleanup.defer(() => rmSync(root, { recursive: true, force: true }));
  const spec = specWith(root, url, access);
  const region = cleanup.use(await RegionProcess.open(spec, { logger: silentLogger, onShutdown: () => {} }));
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  const client = await KafkaClient.open({ bootstrap: region.record.brokers, clientId: "trouble" }, deps);
  cleanup.defer(() => client.close());
  await client.metadata.refresh("all topics", { all: true });
  await produceAll(client);
  let [end, written]: [bigint | undefined, readonly string[]] = [undefined, await readAll(client)];
  const { socketPath } = region.record;
  const resources = cleanup.move();
  return {
    offload: () =>
      control(socketPath, { method: "POST", path: "/tier/offload", timeoutMs: PASS_MS_MAX }).then(
        () => undefined,
        (error: Error) => error.message,
      ),
    status: async () =>
      (await control<{ readonly tier: TierStatus }>(socketPath, { method: "GET", path: "/status" })).tier,
    produceMore: async () => {
      end = await produceAgain(client);
      const more = await readAll(client, BigInt(written.length), end);
      written = [...written, ...more];
    },
    assertNothingLost: async () => assert.deepEqual(await readAll(client, 0n, end), written),
    assertWhole: async () => {
      const [entry] = await readCatalog(store);
      assert.ok(entry !== undefined);
      const { findings, segmentsRead } = await verifyPartition(
        entry,
        { share: 1, nowMs: Date.now() },
        { ...deps, store },
      );
      assert.deepEqual(findings, []);
      assert.ok(segmentsRead >= 3);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
