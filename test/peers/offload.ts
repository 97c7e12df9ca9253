/** An Apache Kafka cluster is archived by an offloader that is killed again and again, and Kafka's own tools read what lies there. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { Kafka, logLevel } from "kafkajs";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics } from "../../src/client/admin.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import { commitOffsets } from "../../src/client/groups.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { readHead } from "../../src/tier/archive.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import type { Manifest } from "../../src/tier/manifest.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { verifyPartition } from "../../src/tier/verify.ts";
import type { CodecId } from "../../src/wire/compression/codec.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { type AbortedTransaction, TransactionIndex } from "../../src/wire/segment/transaction-index.ts";
import { comesTo } from "../support/topology-world.ts";
import { apacheKafkaMissing, kafkaJars } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";

const run = promisify(execFile);
const skip = apacheKafkaMissing() ?? false;
const timeout = 240_000;
const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TOPIC = "orders";
const COMPACTED = "states";
const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
/** Rolls and cleans as soon as it may, so that compaction has happened within seconds. */
const CLEANER = { "log.cleaner.backoff.ms": "200", "log.cleaner.min.cleanable.ratio": "0.01" };
const COMPACTION = { "cleanup.policy": "compact", "segment.bytes": "1048576", "min.compaction.lag.ms": "0" };
const KILLS = 5;

async function produce(client: KafkaClient, topic: string, records: Buffer): Promise<void> {
  const partitions = [{ topic, topicId: ZERO_UUID, index: 0, records }];
  await comesTo(async () => (await produceTo(client, 1, { partitions, acks: -1 }))[0]?.errorCode, 0);
}

/** Batches of all codecs and many sizes, and between them transactions of which some are aborted. */
async function load(client: KafkaClient, kafka: ApacheKafka): Promise<void> {
  const app = new Kafka({ brokers: [...kafka.bootstrap], clientId: "app", logLevel: logLevel.NOTHING });
  const producers = ["a", "b"].map((transactionalId) =>
    app.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true }),
  );
  for (const producer of producers) await producer.connect();
  for (let i = 0; i < 120; i++) {
    const records = Array.from({ length: 1 + ((i * 7) % 60) }, (_, r) => ({
      timestampMs: BigInt(Date.now()),
      key: Buffer.from(`k${i}-${r}`),
      // Of random bytes, so that no codec makes it small.
      value: Buffer.from(randomBytes(20 + ((i * 37) % 1_500)).toString("base64url")),
    }));
    await produce(client, TOPIC, encodeBatch(records, { codec: (i % 5) as CodecId }).bytes);
    if (i % 6 !== 0) continue;
    const open = await Promise.all(producers.map((producer) => producer.transaction()));
    for (const transaction of open) await transaction.send({ topic: TOPIC, messages: [{ key: `t${i}`, value: "t" }] });
    for (const [w, transaction] of open.entries())
      await ((i / 6 + w) % 3 === 0 ? transaction.abort() : transaction.commit());
  }
  for (const producer of producers) await producer.disconnect();
}

/** Few keys again and again, until Kafka has compacted some of it away. */
async function loadCompacted(client: KafkaClient): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const records = Array.from({ length: 20 }, (_, r) => ({
      timestampMs: BigInt(Date.now()),
      key: Buffer.from(`k${(i + r) % 25}`),
      value: Buffer.alloc(4_000, i),
    }));
    await produce(client, COMPACTED, encodeBatch(records).bytes);
  }
  await comesTo(async () => {
    const at = { topic: COMPACTED, topicId: ZERO_UUID, index: 0, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
    const partitions = [{ ...at, fetchOffset: 0n, maxBytes: 1 }];
    const limits = { maxWaitMs: 100, minBytes: 1, maxBytes: 1, isolation: "read_committed" } as const;
    const [fetched] = await fetchFrom(client, 1, { partitions, ...limits });
    return (fetched?.records.readBigInt64BE(0) ?? 0n) > 0n;
  }, true);
}

/** The command's process on a topology of that one cluster. */
class Offloader {
  readonly #args: readonly string[];

  constructor(root: string, kafka: ApacheKafka, rule: string) {
    const file = join(root, "t.yaml");
    const region = `  plant: {brokers: ["${kafka.bootstrap[0]}"]}`;
    const tiering = `{region: plant, topics: ["*"], store: "file://${root}/cold", every: 200ms, segment: {bytes: 256KiB}, ${rule}}`;
    writeFileSync(file, `version: 1\nname: t\nregions:\n${region}\ntiering:\n  - ${tiering}\n`);
    this.#args = [MAIN, "-t", file, "--state", join(root, "state"), "-o", "json", "tier", "offload", "--close"];
  }

  async once(...args: readonly string[]) {
    return JSON.parse((await run(process.execPath, [...this.#args, ...args], { timeout: 60_000 })).stdout);
  }

  /** Lets it work for a while and kills it. */
  async killed(afterMs: number): Promise<void> {
    const child = spawn(process.execPath, [...this.#args, "--follow"], { stdio: "ignore" });
    await delay(afterMs);
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

async function java(tool: string, args: readonly string[]): Promise<readonly string[]> {
  const { classPath } = await kafkaJars();
  const all = ["-Xmx256m", "-cp", classPath, `org.apache.kafka.tools.${tool}`, ...args];
  const { stdout, stderr } = await run("java", all, { maxBuffer: 2 ** 28 });
  return `${stdout}\n${stderr}`.split("\n");
}

/** `offset key value` of every record, aborted ones too, as Kafka's own consumer sees them in the cluster. */
async function consumed(kafka: ApacheKafka, topic: string): Promise<readonly string[]> {
  const print = ["offset", "key"].flatMap((name) => ["--formatter-property", `print.${name}=true`]);
  const where = ["--bootstrap-server", kafka.bootstrap[0] ?? "", "--topic", topic, "--from-beginning"];
  const lines = await java("consumer.ConsoleConsumer", [...where, ...print, "--timeout-ms", "5000"]);
  return lines.flatMap((line) => {
    const [, offset, key, value] = /^Offset:(\d+)\t(.*)\t(.*)$/.exec(line) ?? [];
    return offset === undefined ? [] : [`${offset} ${key} ${value}`];
  });
}

/** The same from exported segment files, by Kafka's own dump tool, which also looks at the indexes. */
async function dumped(directory: string): Promise<readonly string[]> {
  const names = readdirSync(directory).filter((name) => /\.(log|index|timeindex|txnindex)$/.test(name));
  const files = names.map((name) => join(directory, name)).join(",");
  const lines = await java("DumpLogSegments", ["--deep-iteration", "--print-data-log", "--files", files]);
  assert.deepEqual(
    lines.filter((line) => COMPLAINTS.test(line) && !QUIRK.test(line)),
    [],
  );
  return lines.flatMap((line) => {
    const [, offset, key, value] = /^\| offset: (\d+) .* key: (\S+) payload: (.*)$/.exec(line) ?? [];
    return offset === undefined ? [] : [`${offset} ${key} ${value}`];
  });
}

/** Words by which the tool complains. */
const COMPLAINTS = /mismatch|is followed by|could not|exception|corrupt|isvalid: false/i;
/** The tool starts counting at -1, and expects no gaps. */
const QUIRK = /is followed by \d+/;

async function manifests(store: ObjectStore): Promise<ReadonlyMap<string, Manifest>> {
  const found = new Map<string, Manifest>();
  for (const entry of await readCatalog(store)) {
    const { findings } = await verifyPartition(entry, { share: 1, nowMs: Date.now() }, { store, random: nodeRandom() });
    assert.deepEqual(findings, []);
    const head = await readHead(store, entry.partition);
    if (head !== undefined) found.set(entry.partition.topic, head.manifest);
  }
  return found;
}

test("archive of Apache Kafka by an offloader that is killed again and again holds every record once, for Kafka's own tools", {
  skip,
  timeout,
}, async () => {
  const root = mkdtempSync(join(tmpdir(), "offload-kafka-"));
  try {
    await using kafka = await ApacheKafka.start({ properties: CLEANER });
    await using client = await KafkaClient.open({ bootstrap: [...kafka.endpoints.values()], clientId: "test" }, deps);
    const topics = [
      { name: TOPIC, partitions: 1, replicationFactor: 1 },
      { name: COMPACTED, partitions: 1, replicationFactor: 1, configs: COMPACTION },
    ];
    await createTopics(client, topics);
    const slow = new Offloader(root, kafka, "limits: {bytesPerSecond: 1MiB}");
    const loading = Promise.all([load(client, kafka), loadCompacted(client)]);
    for (let kill = 0; kill < KILLS; kill++) await slow.killed(1_200 + ((kill * 7_919) % 900));
    await loading;
    const rule = "deleteLocal: after-verify, margin: 500";
    await commitOffsets(client, "readers", { offsets: [{ topic: TOPIC, index: 0, committedOffset: 900n }] });
    const report = await new Offloader(root, kafka, "deleteLocal: never").once();
    assert.ok(report.partitions.every((row: { lag: string }) => row.lag === "0"));

    const store = await openFsStore(join(root, "cold"));
    const archived = await manifests(store);
    for (const topic of [TOPIC, COMPACTED]) {
      const to = join(root, "exported");
      const file = join(root, "t.yaml");
      const command = [
        MAIN,
        "-t",
        file,
        "--state",
        join(root, "state"),
        "-q",
        "tier",
        "export",
        "--topic",
        topic,
        "--to",
        to,
      ];
      await run(process.execPath, command);
      const [seen, read] = [await consumed(kafka, topic), await dumped(join(to, `${topic}-0`))];
      // Compaction may have taken more since the topic was archived, and never less.
      const offsets = new Set(seen);
      assert.ok(seen.length > 100);
      assert.deepEqual(topic === COMPACTED ? read.filter((line) => offsets.has(line)) : read, seen);
    }
    const orders = archived.get(TOPIC);
    assert.ok((orders?.segments.length ?? 0) >= 4);
    const gaps = archived.get(COMPACTED)?.segments.flatMap((segment) => segment.gaps) ?? [];
    assert.ok(gaps.length > 0 && gaps.every(({ cause }) => cause === "compaction"));
    assert.deepEqual(await abortedInArchive(store, orders), await abortedInCluster(client));

    const startOf = async (topic: string) => (await logBounds(client, [{ topic, index: 0 }]))[0]?.startOffset;
    const end = orders?.segments.at(-1)?.nextOffset ?? 0n;
    await new Offloader(root, kafka, rule).once();
    assert.equal(await startOf(TOPIC), 900n, "the group has read so far");
    await new Offloader(root, kafka, `${rule}, unread: delete`).once();
    assert.equal(await startOf(TOPIC), end - 500n);
    assert.equal(await startOf(COMPACTED), 0n);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

async function abortedInArchive(store: ObjectStore, manifest: Manifest | undefined): Promise<readonly string[]> {
  const found: AbortedTransaction[] = [];
  for (const { key, baseOffset, txnindexBytes } of manifest?.segments ?? []) {
    if (txnindexBytes === 0) continue;
    const index = TransactionIndex.parse(await store.get(`${key}.txnindex`), baseOffset);
    index?.collect({ fromOffset: 0n, endOffset: 2n ** 60n }, found);
  }
  return found.map(({ producerId, firstOffset }) => `${producerId} ${firstOffset}`).sort();
}

async function abortedInCluster(client: KafkaClient): Promise<readonly string[]> {
  const at = { topic: TOPIC, topicId: ZERO_UUID, index: 0, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
  const bytes = 64 * 1024 * 1024;
  const partitions = [{ ...at, fetchOffset: 0n, maxBytes: bytes }];
  const limits = { maxWaitMs: 100, minBytes: 1, maxBytes: bytes, isolation: "read_committed" } as const;
  const [fetched] = await fetchFrom(client, 1, { partitions, ...limits });
  const aborted = fetched?.abortedTransactions ?? [];
  assert.ok(aborted.length >= 10);
  return aborted.map(({ producerId, firstOffset }) => `${producerId} ${firstOffset}`).sort();
}
