/** kcat, which speaks librdkafka, on regions and served archives that the command started. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { test } from "node:test";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import {
  inOrder,
  openArchiveSource,
  readInGroup,
  START_MS,
  serveArchive,
  TOPIC,
  writeFlights,
} from "../support/archive-world.ts";
import { startedRegion } from "./started-region.ts";

/** kcat is a client that nobody here wrote; on a user's machine it may be missing, where `CI=true` it may not. */
const missing = spawnSync("kcat", ["-V"], { stdio: "ignore" }).status !== 0;
if (missing && process.env["CI"] === "true") throw new Error("kcat is missing (Debian package kcat)");
const skip = missing ? "kcat is not installed (Debian package kcat)" : false;

/** Runs kcat to its end and returns its stdout. */
function kcat(bootstrap: readonly string[], args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("kcat", ["-q", "-b", bootstrap.join(","), ...args], { timeout: 60_000 });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve(out) : reject(new Error(`kcat ended with ${code}: ${err}`))));
    child.stdin.end(input);
  });
}

const lines = Array.from({ length: 500 }, (_, index) => `k${index}:v${index}`);

test("kcat produces with every codec, consumes and lists on a region that tributary up started", { skip }, async () => {
  await using region = await startedRegion("us-west");
  for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
    const topic = `kcat-${codec}`;
    await kcat(region.bootstrap, ["-P", "-t", topic, "-K", ":", "-z", codec, "-H", "from=kcat"], lines.join("\n"));
    const consumed = await kcat(region.bootstrap, ["-C", "-t", topic, "-e", "-o", "beginning", "-f", "%k:%s:%h\n"]);
    assert.deepEqual(consumed.trim().split("\n").sort(), lines.map((line) => `${line}:from=kcat`).sort());
  }
  const listed = JSON.parse(await kcat(region.bootstrap, ["-L", "-J"]));
  assert.equal(listed.brokers.length, 3);
  const topics = listed.topics.map(({ topic, partitions }: { topic: string; partitions: unknown[] }) => [
    topic,
    partitions.length,
  ]);
  assert.deepEqual(
    topics.sort(),
    ["gzip", "lz4", "none", "snappy", "zstd"].map((codec) => [`kcat-${codec}`, 6]),
  );
});

test("kcat produces idempotently, and as a group member reads each record once over two runs", { skip }, async () => {
  await using region = await startedRegion("us-mid");
  const produce = ["-P", "-t", "orders", "-K", ":", "-X", "enable.idempotence=true"];
  await kcat(region.bootstrap, produce, lines.slice(0, 300).join("\n"));
  // kcat wants its options before the mode that takes topics.
  const member = ["-X", "auto.offset.reset=earliest", "-e", "-f", "%k:%s\n", "-G", "readers", "orders"];
  const first = await kcat(region.bootstrap, member);
  await kcat(region.bootstrap, produce, lines.slice(300).join("\n"));
  const second = await kcat(region.bootstrap, member);
  const read = [first, second].map((text) => text.trim().split("\n").sort());
  assert.deepEqual(read, [lines.slice(0, 300).sort(), lines.slice(300).sort()]);
});

test("kcat lists an archive that is served, reads what was committed from a time on, and is told that it may not write", {
  skip,
}, async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source);
  await source.archive();
  await using served = await serveArchive(store);
  const bootstrap = [`${served.server.endpoint.host}:${served.server.endpoint.port}`];
  const listed = JSON.parse(await kcat(bootstrap, ["-L", "-J"]));
  assert.deepEqual(
    listed.topics.map(({ topic, partitions }: { topic: string; partitions: unknown[] }) => [topic, partitions.length]),
    [[TOPIC, 2]],
  );
  const read = async (...args: readonly string[]): Promise<readonly string[]> => {
    const all = await kcat(bootstrap, ["-C", "-t", TOPIC, "-e", "-X", "isolation.level=read_committed", ...args]);
    return all.trim().split("\n");
  };
  const committed = await read("-o", "beginning", "-f", "%p %o %T %k\n");
  const expected = inOrder(await readInGroup(source.kafka, { groupId: "before", records: 400 }));
  const keyOf = (value: string): string | undefined => value.split(" ")[1];
  assert.deepEqual(
    committed.toSorted(),
    expected
      .map(({ partition, offset, timestampMs, value }) => `${partition} ${offset} ${timestampMs} ${keyOf(value)}`)
      .sort(),
  );
  const late = await read("-p", "1", "-o", `s@${START_MS + 270_000}`, "-f", "%T\n");
  assert.deepEqual([late[0], late.length], [String(START_MS + 270_000), 20]);
  await assert.rejects(kcat(bootstrap, ["-P", "-t", TOPIC], "no"), /kcat ended with 1/);
});

test("records cross between kcat and the tributary command on the same region", { skip }, async () => {
  await using region = await startedRegion("us-east");
  await kcat(region.bootstrap, ["-P", "-t", "greetings"], "hello\nworld\n");
  const consumed = await region.tributary("consume", "greetings", "-r", "us-east", "-n", "2");
  assert.ok(consumed.includes("hello") && consumed.includes("world"));
});
