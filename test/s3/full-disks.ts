/** Disks that are really full, under a store, under the spool of an offloader, under the cache of a server: each is a clear state, no
 *  record is lost, and with room everything goes on by itself. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Endpoint } from "../../src/core/network.ts";
import { ClusterOffloader } from "../../src/runtime/cluster-offload.ts";
import { StateDirectory } from "../../src/runtime/state-directory.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import type { S3Access } from "../../src/topology/store-schema.ts";
import { tierMetrics } from "../../src/web/tier-http.ts";
import { MirrorWorld } from "../integration/mirror-world.ts";
import { archivedBytes, clusterBytes, manifestOf } from "../integration/offload-world.ts";
import {
  inOrder,
  openArchiveSource,
  readInGroup,
  type ServedArchive,
  serveArchive,
  writeFlights,
} from "../support/archive-world.ts";
import { newBucket, openStore } from "./buckets.ts";
import { SERVER_KINDS, type ServerKind, serverMissing, startServer } from "./servers.ts";
import { openSmallDisk, type SmallDisk, smallDiskMissing } from "./small-disk.ts";
import { openArchivingRegion } from "./troubled-region.ts";

const timeout = 120_000;
const DISK_MIB = 32;
const COMMITTED = 400;
/** Nobody may mount, here or in a CI of this kind: there is nothing that could be tried. */
const skip = smallDiskMissing();

/** A store on the disk. */
interface StoreOnDisk extends AsyncDisposable {
  readonly url: string;
  readonly access: S3Access;
  readonly store: ObjectStore;
}

interface StoreKind {
  readonly name: string;
  readonly skip: string | false;
  readonly open: (disk: SmallDisk) => Promise<StoreOnDisk>;
}

async function openDirectory({ path }: SmallDisk): Promise<StoreOnDisk> {
  const directory = join(path, "cold");
  const store = await openFsStore(directory);
  return { url: pathToFileURL(directory).href, access: {}, store, [Symbol.asyncDispose]: async () => store.close() };
}

async function openServer(kind: ServerKind, { path }: SmallDisk): Promise<StoreOnDisk> {
  await using cleanup = new AsyncDisposableStack();
  const directory = join(path, "data");
  mkdirSync(directory);
  const server = cleanup.use(await startServer(kind, directory));
  const { bucket, prefix, endpoint, credentials } = await newBucket(server);
  const store = await openStore({ bucket, prefix, endpoint, credentials });
  cleanup.defer(() => store.close());
  const url = `s3://${bucket}/${prefix}`;
  const resources = cleanup.move();
  return { url, access: { endpoint, ...credentials }, store, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

const STORES: readonly StoreKind[] = [
  { name: "a directory", skip: false, open: openDirectory },
  ...SERVER_KINDS.map((kind) => ({
    name: `a bucket of ${kind.name}`,
    skip: serverMissing(kind) ?? (false as const),
    open: (disk: SmallDisk) => openServer(kind, disk),
  })),
];

for (const { name, skip: missing, open } of STORES) {
  test(`region says that the disk under ${name} is full, loses nothing, and goes on by itself with room`, {
    skip: skip || missing,
    timeout,
  }, async () => {
    using disk = openSmallDisk(DISK_MIB);
    await using place = await open(disk);
    await using region = await openArchivingRegion(place.url, place.access, place.store);
    const before = await place.store.list("");
    disk.fill();
    const said = await region.offload();
    const { failures } = await region.status();
    await region.assertNothingLost();
    const left = await place.store.list("");
    disk.free();
    assert.ok(said !== undefined, "the pass fails");
    assert.deepEqual(
      failures.map(({ code }) => code),
      ["STORE_FULL"],
    );
    assert.match(failures[0]?.cause ?? "", /^[^\n]*is full[^\n]*$/);
    assert.deepEqual(left, before, "what was begun is taken back");
    assert.equal(await region.offload(), undefined);
    const after = await region.status();
    assert.deepEqual(after.failures, []);
    assert.ok(after.segmentsDropped >= 3);
    await region.assertNothingLost();
    await region.assertWhole();
  });
}

const TOPIC = "orders";
/** Less than the segment takes: the disk gets full while it is written. */
const LEFT_BYTES = 16_384;

test("offloader says that the disk of its spool is full, loses nothing, and goes on by itself with room", {
  skip,
  timeout,
}, async () => {
  using disk = openSmallDisk(DISK_MIB);
  using outside = openSmallDisk(DISK_MIB);
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1);
  for (let i = 0; i < 20; i++) await world.produce(side, TOPIC, 0, 200);
  const expected = await clusterBytes(side.client, TOPIC, 0);
  const store = await openFsStore(outside.path);
  await using offloader = await openOffloader(side.region.endpoints, store.location, disk.path);
  const pass = () => offloader.pass({ closeAll: true, signal: AbortSignal.timeout(timeout) });
  const failing = async () => {
    const rows = (await offloader.status()).map((row) => ({ region: "plant", ...row }));
    const metric = tierMetrics(rows, 0).find(({ name }) => name === "tributary_tier_failing_partitions");
    return { errors: rows.map(({ error }) => error), metric: metric?.samples.map(({ value }) => value) };
  };
  for (const leftBytes of [LEFT_BYTES, 0]) {
    disk.fill(leftBytes);
    const { failures, deletions } = await pass();
    const { errors, metric } = await failing();
    disk.free();
    assert.deepEqual([failures.length, deletions, metric], [1, [], [1]]);
    assert.match(errors[0] ?? "", /^[^\n]*disk full[^\n]*$/);
    assert.deepEqual(await clusterBytes(side.client, TOPIC, 0), expected);
  }
  const { failures } = await pass();
  assert.deepEqual(failures, []);
  assert.deepEqual(await failing(), { errors: [undefined], metric: [0] });
  const [entry] = await readCatalog(store);
  assert.ok(entry !== undefined);
  assert.deepEqual(await archivedBytes(store, await manifestOf(store, entry.partition)), expected);
});

test("readers of a served archive get everything while the disk of its cache is full, and it is filled again with room", {
  skip,
  timeout,
}, async () => {
  using disk = openSmallDisk(DISK_MIB);
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source);
  const written = inOrder(await readInGroup(source.kafka, { groupId: "before", records: COMMITTED }));
  await source.archive();
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const stateDirectory = join(disk.path, "served", "state");
  await using served = await serveArchive(store, { stateDirectory, logger });
  const read = async ({ kafka }: ServedArchive, groupId: string, commits = true) =>
    inOrder(await readInGroup(kafka, { groupId, records: COMMITTED, commits }));
  disk.fill();
  // A commit is refused where it cannot be kept.
  assert.deepEqual(await read(served, "full", false), written);
  assert.equal(chunksIn(stateDirectory), 0, "nothing half written is left");
  assert.equal(warnings.length, 1);
  disk.free();
  {
    // What is in memory is not asked for again: another process has none of it.
    await using again = await served.restart();
    assert.deepEqual(await read(again, "room"), written);
    assert.ok(chunksIn(stateDirectory) > 0);
    await using last = await again.restart();
    assert.deepEqual(await read(last, "cached"), written);
    assert.deepEqual([last.server.figures.requests, last.server.figures.fileHits > 0], [0, true]);
  }
});

function chunksIn(stateDirectory: string): number {
  const entries = readdirSync(join(stateDirectory, "chunks"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

async function openOffloader(endpoints: readonly Endpoint[], store: string, root: string): Promise<ClusterOffloader> {
  const brokers = JSON.stringify(endpoints.map(({ host, port }) => `${host}:${port}`));
  const rule = `{region: plant, topics: ["*"], store: "${store}", deleteLocal: after-verify}`;
  const text = `version: 1\nname: t\nregions:\n  plant: {brokers: ${brokers}}\ntiering:\n  - ${rule}\n`;
  const topology = parseTopology({ file: "t.yaml", text });
  const state = new StateDirectory({ root, topology: "t" }, { storage: nodeStorage() });
  state.create();
  const options = { topology, state, region: "plant" };
  return ClusterOffloader.open(options, { logger: silentLogger, signal: AbortSignal.timeout(timeout) });
}
