/** A restore that is killed goes on where it was: nothing is lost, repeated or out of order, with own offsets and with mapped ones. */

import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Kafka, logLevel } from "kafkajs";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { eventually, type Side } from "./mirror-world.ts";
import { RestoreWorld, withoutOffsets } from "./restore-world.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const OLD_MS = Date.now() - 40 * 86_400_000;
const BATCHES = 1_500;
const KILLS = { exact: 3, mapped: 1 } as const;

async function endOf({ client }: Side, topic: string): Promise<bigint> {
  client.metadata.track([topic]);
  await client.metadata.refresh("looked at");
  if (client.metadata.topic(topic) === undefined) return 0n;
  return (await logBounds(client, [{ topic, index: 0 }]))[0]?.endOffset ?? 0n;
}

/** Begins with a transaction, whose marker is a hole that shifts everything behind it. */
async function withHole(side: Side, topic: string): Promise<void> {
  const brokers = side.region.endpoints.map(({ host, port }) => `${host}:${port}`);
  const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer({
    transactionalId: topic,
    idempotent: true,
  });
  await producer.connect();
  for (const isKept of [true, false]) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: `kept ${isKept}`, timestamp: String(OLD_MS) }] });
    await (isKept ? transaction.commit() : transaction.abort());
  }
  await producer.disconnect();
}

interface Report {
  readonly partitions: readonly { readonly topic: string; readonly offsets: string; readonly until: number }[];
  readonly bytes: number;
  readonly requests: number;
  readonly estimated_seconds: number;
}

async function reportOf(child: ChildProcessWithoutNullStreams): Promise<Report> {
  const [output, errors]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stderr.on("data", (chunk) => errors.push(chunk));
  const [exitCode] = await once(child, "close");
  assert.equal(exitCode, 0, Buffer.concat(errors).toString());
  return JSON.parse(Buffer.concat(output).toString());
}

test("restore that is killed again and again ends with every record once, in order", async () => {
  const root = mkdtempSync(join(tmpdir(), "restore-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  await using world = new RestoreWorld(await openFsStore(join(root, "cold")));
  const west = await world.side("west");
  const central = await world.side("central");
  const topics = ["exact", "mapped"] as const;
  for (const topic of topics) await world.topic(west, topic, 1, { "segment.bytes": "262144" });
  await withHole(west, "mapped");
  for (const topic of topics) await world.fill(west, topic, 0, OLD_MS, BATCHES);
  const before = { exact: await world.read(west, "exact", 0), mapped: await world.read(west, "mapped", 0) };
  await world.commit(west, "billing", "exact", [7_000n]);
  await world.archive(west, topics);
  const brokers = central.region.endpoints.map(({ host, port }) => `${host}:${port}`).join(",");
  const file = join(root, "topology.yaml");
  writeFileSync(file, `version: 1\nname: back\nregions:\n  central: { brokers: ["${brokers}"] }\n`);
  const command = [MAIN, "-t", file, "--state", join(root, "state"), "-o", "json", "tier", "restore"];
  const options = ["--into", "central", "--store", `file://${join(root, "cold")}`];
  const dry = await reportOf(spawn(process.execPath, [...command, ...options, "--dry-run"]));
  assert.deepEqual(
    dry.partitions.map(({ topic, offsets }) => [topic, offsets]),
    [
      ["exact", "exact"],
      ["mapped", "mapped"],
    ],
  );
  assert.ok(dry.bytes > 2_000_000 && dry.requests > 10 && dry.estimated_seconds >= 1);
  assert.equal((await endOf(central, "exact")) + (await endOf(central, "mapped")), 0n);
  for (const topic of topics) {
    const start = () => spawn(process.execPath, [...command, ...options, "--topic", topic]);
    for (let kill = 0, last = 0n; kill < KILLS[topic]; kill++) {
      const child = start();
      const from = last;
      await eventually(async () => {
        last = await endOf(central, topic);
        return last > from + 100n || child.exitCode !== null;
      }, "records arrive");
      assert.equal(child.exitCode, null, "it was over before it could be killed");
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    const report = await reportOf(start());
    assert.deepEqual([report.partitions[0]?.topic, report.partitions[0]?.offsets], [topic, topic]);
    const end = BigInt(report.partitions[0]?.until ?? 0);
    const wanted = before[topic].filter(({ offset }) => offset < end);
    const restored = await world.read(central, topic, 0);
    assert.ok(wanted.length > 10_000);
    assert.equal(restored.length, wanted.length, topic);
    assert.ok(isDeepStrictEqual(withoutOffsets(restored), withoutOffsets(wanted)), topic);
    if (topic === "exact") assert.ok(restored.every(({ offset }, index) => offset === wanted[index]?.offset));
  }
  assert.deepEqual((await world.committed(central, "billing", "exact")).get(0), [7_000n, "billing!"]);
});
