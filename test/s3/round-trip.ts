/** From one Apache Kafka through a bucket into another: mixed codecs and transactions are archived, deleted in the cluster, topic and all, and
 *  restored elsewhere; then every record, every group's place and the memory of both commands are compared.
 *
 *  By hand: `node test/s3/round-trip.ts --mib 2048 --server minio`. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics, deleteTopics } from "../../src/client/admin.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import { commitOffsets, fetchOffsets } from "../../src/client/groups.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { produceTo } from "../../src/client/produce.ts";
import { TransactionalWriter } from "../../src/client/transactions.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { AbortedTransactions } from "../../src/mirror/aborted.ts";
import type { CodecId } from "../../src/wire/compression/codec.ts";
import { type BatchView, batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../src/wire/records.ts";
import { ApacheKafka } from "../peers/kafka.ts";
import { newBucket } from "./buckets.ts";
import { type S3Server, SERVER_KINDS, startServer } from "./servers.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TOPIC = "orders";
/** Without transactions, and with them. */
const PLAIN = 0;
const MIXED = 1;
const VALUE_BYTES = 1_000;
const BATCH_RECORDS = 60;
/** Of the mixed partition: so many batches make a transaction, and every third is aborted. */
const TRANSACTION_BATCHES = 16;
const GROUPS = 60;
/** Older than any broker's memory of producers. */
const AGE_MS = 40 * 86_400_000;
const FETCH_BYTES = 4 * 1024 * 1024;

/** What a round trip showed. */
export interface RoundTrip {
  readonly bytes: number;
  readonly records: readonly number[];
  readonly offsets: readonly string[];
  readonly groupsChecked: number;
  readonly offload: CommandFigures;
  readonly restore: CommandFigures;
}

/** What a command took. */
interface CommandFigures {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

/** A partition's committed records in short. */
interface Digest {
  readonly sha256: string;
  readonly records: number;
  /** Number of the record that a reader at each asked offset meets first; -1 at the end. */
  readonly firstAt: ReadonlyMap<bigint, number>;
}

/** Runs it; throws when anything differs. */
export async function roundTrip(mib: number, server: S3Server): Promise<RoundTrip> {
  await using west = await ApacheKafka.start();
  await using central = await ApacheKafka.start();
  await using from = await connect(west);
  await using to = await connect(central);
  const root = mkdtempSync(join(tmpdir(), "round-trip-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  const [made] = await createTopics(from, [
    { name: TOPIC, partitions: 2, replicationFactor: 1, configs: { "retention.ms": "-1" } },
  ]);
  assert.equal(made?.errorCode, 0);
  const bytes = await fill(from, (mib * 1024 * 1024) / 2);
  const places = await placesOfGroups(from);
  for (const [group, offsets] of places) {
    const commits = offsets.map((committedOffset, index) => ({
      topic: TOPIC,
      index,
      committedOffset,
      committedMetadata: group,
    }));
    await commitOffsets(from, group, { offsets: commits });
  }
  const asked = (index: number): readonly bigint[] => [...places.values()].map((offsets) => offsets[index] ?? 0n);
  const wanted = [await digest(from, PLAIN, asked(PLAIN)), await digest(from, MIXED, asked(MIXED))];
  const tributary = await commandOver({ root, west, central }, await newBucket(server), server);
  const offload = await tributary("offload", "--region", "west", "--close");
  for (const { startOffset, endOffset } of await logBounds(from, [{ topic: TOPIC, index: PLAIN }]))
    assert.equal(startOffset, endOffset, "records are deleted locally");
  await deleteTopics(from, [TOPIC]);
  const restore = await tributary("restore", "--into", "central", "--region", "west");
  to.metadata.track([TOPIC]);
  await to.metadata.refresh("restored");
  let groupsChecked = 0;
  const committed = await fetchOffsets(
    to,
    [...places.keys()].map((groupId) => ({ groupId })),
  );
  for (const index of [PLAIN, MIXED]) {
    const moved = committed.map(
      ({ offsets }) => offsets.find((each) => each.topic === TOPIC && each.index === index)?.committedOffset ?? -1n,
    );
    const restored = await digest(to, index, moved);
    const source = wanted[index];
    assert.equal(restored.records, source?.records);
    assert.equal(restored.sha256, source?.sha256, `partition ${index} is the same, record for record`);
    for (const [at, offset] of moved.entries()) {
      assert.equal(
        restored.firstAt.get(offset),
        source?.firstAt.get(asked(index)[at] ?? -1n),
        `group ${at} partition ${index}`,
      );
      groupsChecked++;
    }
  }
  await restoresPart(tributary, to, wanted[PLAIN]?.records ?? 0);
  const { partitions } = JSON.parse(restore.stdout);
  const offsets = partitions.map((each: { readonly offsets: string }) => each.offsets);
  return {
    bytes,
    records: wanted.map(({ records }) => records),
    offsets,
    groupsChecked,
    offload: offload.figures,
    restore: restore.figures,
  };
}

/** A range from the middle of a batch to the middle of another, at its own offsets. */
async function restoresPart(tributary: Tributary, to: KafkaClient, records: number): Promise<void> {
  const [from, until] = [Math.floor(records / 4) + 7, Math.floor(records / 3) + 11];
  const range = ["--from", String(from), "--until", String(until)];
  await tributary("restore", "--into", "central", "--topic", TOPIC, ...range, "--to", "part", "--no-groups");
  to.metadata.track(["part"]);
  await to.metadata.refresh("part restored");
  const [bounds] = await logBounds(to, [{ topic: "part", index: PLAIN }]);
  assert.deepEqual([bounds?.startOffset, bounds?.endOffset], [BigInt(from), BigInt(until)]);
  const { firstAt } = await digest(to, PLAIN, [BigInt(from), BigInt(until) - 1n], "part");
  // Without transactions the number of a record is its offset.
  assert.deepEqual([...firstAt.values()], [from, until - 1]);
}

async function connect(kafka: ApacheKafka): Promise<KafkaClient> {
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  return KafkaClient.open({ bootstrap: [...kafka.endpoints.values()], clientId: "round-trip" }, deps);
}

/** Bytes on the wire. */
async function fill(client: KafkaClient, bytesEach: number): Promise<number> {
  const writer = await TransactionalWriter.open(client, { transactionalId: "filler", transactionTimeoutMs: 60_000 });
  const startMs = Date.now() - AGE_MS;
  let [number, total] = [0, 0];
  for (const index of [PLAIN, MIXED]) {
    let sequence = 0;
    for (let [batches, bytes] = [0, 0]; bytes < bytesEach; batches++) {
      const turn = Math.floor(batches / TRANSACTION_BATCHES) % 4;
      const isTransactional = index === MIXED && turn < 3;
      const isFirst = batches % TRANSACTION_BATCHES === 0;
      if (isFirst && isTransactional) await writer.announce([{ topic: TOPIC, index }]);
      const own = isTransactional ? { ...writer.identity, baseSequence: sequence, isTransactional } : {};
      const batch = batchOf(number, startMs, (batches % 5) as CodecId, own);
      const item = { topic: TOPIC, topicId: ZERO_UUID, index, records: batch.bytes };
      const leader = client.metadata.leaderOf(TOPIC, index)?.leaderId ?? -1;
      const outcome = isTransactional
        ? await writer.produce(leader, item)
        : (await produceTo(client, leader, { partitions: [item], acks: -1 }))[0];
      assert.equal(outcome?.errorCode, 0);
      if (isTransactional) sequence += BATCH_RECORDS;
      if (isTransactional && (batches + 1) % TRANSACTION_BATCHES === 0)
        await writer.end(turn === 1 ? "abort" : "commit");
      number += BATCH_RECORDS;
      bytes += batch.sizeBytes;
      total += batch.sizeBytes;
      if (bytes >= bytesEach && isTransactional && (batches + 1) % TRANSACTION_BATCHES !== 0)
        await writer.end("commit");
    }
  }
  return total;
}

function batchOf(number: number, startMs: number, codec: CodecId, own: Parameters<typeof encodeBatch>[1]): BatchView {
  const random = nodeRandom();
  const records = Array.from({ length: BATCH_RECORDS }, (_, i) => {
    const value = Buffer.alloc(VALUE_BYTES, "filler that compresses ");
    value.writeDoubleBE(number + i, 0);
    // Half of it does not compress.
    value.set(random.bytes(VALUE_BYTES / 2), 8);
    const headers = i % 4 === 0 ? [{ key: "n", value: Buffer.from(String(i)) }] : [];
    return {
      timestampMs: BigInt(startMs + number + i),
      key: i % 3 === 0 ? null : Buffer.from(`k${i}`),
      value,
      headers,
    };
  });
  return encodeBatch(records, { codec, ...own });
}

/** Where groups stand: spread over both partitions, in the middle of batches and transactions, on markers, at both ends. */
async function placesOfGroups(client: KafkaClient): Promise<ReadonlyMap<string, readonly bigint[]>> {
  const bounds = await logBounds(
    client,
    [PLAIN, MIXED].map((index) => ({ topic: TOPIC, index })),
  );
  return new Map(
    Array.from({ length: GROUPS }, (_, at) => [
      `group-${at}`,
      bounds.map(({ endOffset }) => (endOffset * BigInt(at)) / BigInt(GROUPS - 1)),
    ]),
  );
}

async function digest(client: KafkaClient, index: number, asked: readonly bigint[], topic = TOPIC): Promise<Digest> {
  const at = { topic, index };
  const hash = createHash("sha256");
  const waiting = [...new Set(asked)].toSorted((a, b) => (a < b ? -1 : 1));
  const firstAt = new Map<bigint, number>();
  let records = 0;
  const [bounds] = await logBounds(client, [at]);
  for (let next = bounds?.startOffset ?? 0n; next < (bounds?.endOffset ?? 0n); ) {
    const [fetched] = await fetchFrom(client, client.metadata.leaderOf(topic, index)?.leaderId ?? -1, {
      partitions: [
        {
          ...at,
          topicId: ZERO_UUID,
          fetchOffset: next,
          lastFetchedEpoch: -1,
          currentLeaderEpoch: -1,
          maxBytes: FETCH_BYTES,
        },
      ],
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      isolation: "read_committed",
    });
    assert.equal(fetched?.errorCode, 0);
    const aborted = new AbortedTransactions(fetched?.abortedTransactions ?? []);
    for (const batch of batchesIn(fetched?.records ?? Buffer.alloc(0))) {
      next = batch.nextOffset;
      if (aborted.covers(batch) || batch.isControl) continue;
      for (const { offsetDelta, timestampMs, key, value, headers } of decodeRecords(batch)) {
        const offset = batch.baseOffset + BigInt(offsetDelta);
        while (waiting[0] !== undefined && waiting[0] <= offset)
          firstAt.set(waiting.shift() ?? 0n, value?.readDoubleBE(0) ?? -2);
        hash.update(
          `${timestampMs} ${key?.toString("hex")} ${headers.map((each) => `${each.key}=${each.value}`).join()}\n`,
        );
        if (value !== null) hash.update(value);
        records++;
      }
    }
  }
  for (const offset of waiting) firstAt.set(offset, -1);
  return { sha256: hash.digest("hex"), records, firstAt };
}

type Tributary = (...args: readonly string[]) => Promise<{ readonly stdout: string; readonly figures: CommandFigures }>;

async function commandOver(
  world: { readonly root: string; readonly west: ApacheKafka; readonly central: ApacheKafka },
  { bucket, endpoint }: { readonly bucket: string; readonly endpoint?: string | undefined },
  { keys }: S3Server,
): Promise<Tributary> {
  const file = join(world.root, "t.yaml");
  const brokers = ({ bootstrap }: ApacheKafka) => `{ brokers: [${bootstrap.map((each) => `"${each}"`).join(", ")}] }`;
  const access = `endpoint: "${endpoint}", accessKeyId: "\u0024{env:TRIP_KEY}", secretAccessKey: "\u0024{env:TRIP_SECRET}"`;
  const store = `store: { s3: "s3://${bucket}/cold", ${access} }`;
  const lines = [
    "version: 1",
    "name: trip",
    "regions:",
    `  west: ${brokers(world.west)}`,
    `  central: ${brokers(world.central)}`,
    "tiering:",
    `  - { region: west, topics: "${TOPIC}", ${store}, deleteLocal: after-verify, margin: 0, unread: delete, cold: { olderThan: 0s, keepLocal: 0B } }`,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const env = { ...process.env, TRIP_KEY: keys.accessKeyId, TRIP_SECRET: keys.secretAccessKey };
  return async (...args) => {
    const startMs = performance.now();
    const child = spawn(
      process.execPath,
      [MAIN, "-t", file, "--state", join(world.root, "state"), "-o", "json", "tier", ...args],
      { env },
    );
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (chunk) => stdout.push(chunk));
    child.stderr.on("data", (chunk) => stderr.push(chunk));
    const usage = { peakRssMiB: 0, cpuSeconds: 0 };
    const look = setInterval(() => Object.assign(usage, usageOf(child.pid ?? 0, usage)), 50);
    const [exitCode] = await once(child, "close");
    clearInterval(look);
    assert.equal(exitCode, 0, Buffer.concat(stderr).toString());
    return {
      stdout: Buffer.concat(stdout).toString(),
      figures: { seconds: (performance.now() - startMs) / 1_000, ...usage },
    };
  };
}

/** From /proc, which forgets memory when the process is gone. */
function usageOf(pid: number, before: Omit<CommandFigures, "seconds">): Omit<CommandFigures, "seconds"> {
  try {
    const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return {
      peakRssMiB: Math.max(before.peakRssMiB, Number(peakKiB ?? 0) / 1024),
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    };
  } catch {
    return before;
  }
}

if (import.meta.main) {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: { mib: { ...text, default: "256" }, server: { ...text, default: "minio" } },
  });
  const kind = SERVER_KINDS.find(({ name }) => name === values.server);
  assert.ok(kind !== undefined, `servers are ${SERVER_KINDS.map(({ name }) => name).join(", ")}`);
  await using server = await startServer(kind);
  console.log(await roundTrip(Number(values.mib), server));
}
