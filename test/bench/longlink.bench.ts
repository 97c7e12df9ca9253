/** One lane over a long way: 80 ms there and back, once to the source and once to the target. The way is a relay in a process of
 *  its own that holds everything back for as long. Exits with 1 when the rate is too low. */

import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import type { Endpoint, Network } from "../../src/core/network.ts";
import { median, printRows, type Row } from "./measure.ts";
import { type Copied, copy, fill, message, type Shape, type Side, startRegion } from "./parts/copy.ts";

const ROUND_TRIP_MS = 80;
const ROUNDS = 3;
const MEGABYTES_PER_SECOND_MIN = 30;
const SHAPE: Shape = { recordBytes: 1_024, batchBytes: 16 * 1024, partitions: 1, totalBytes: 256 * 1024 * 1024 };

/** Prints MB/s for either side far away, beside both sides nearby, from the first record on; the start apart, which is some ten round
 *  trips. */
export async function benchLongLink(): Promise<void> {
  const rows: Row[] = [];
  const near: Copied[] = [];
  for (let round = 0; round < ROUNDS; round++) near.push(await copyOnce(undefined));
  for (const far of ["source", "target"] as const) {
    const rounds: Copied[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await copyOnce(far));
    const value = rateOf(rounds);
    if (value < MEGABYTES_PER_SECOND_MIN) process.exitCode = 1;
    const verdict = value < MEGABYTES_PER_SECOND_MIN ? "MISSED" : "kept";
    const peer = { name: "nearby", value: rateOf(near) };
    const budget = `>= ${MEGABYTES_PER_SECOND_MIN} ${verdict}`;
    rows.push({ what: `${far} ${ROUND_TRIP_MS} ms away, one lane`, value, unit: "MB/s", peer, budget });
    const startPeer = { name: "nearby", value: startOf(near) };
    rows.push({ what: "... until its first record is copied", value: startOf(rounds), unit: "s", peer: startPeer });
  }
  printRows("Long way, 1 KiB records in 16 KiB batches, exactly once, embedded regions", rows);
}

function rateOf(rounds: readonly Copied[]): number {
  return median(rounds.map(({ recordsPerSecond }) => (recordsPerSecond * SHAPE.recordBytes) / 1e6));
}

function startOf(rounds: readonly Copied[]): number {
  return median(rounds.map(({ startSeconds }) => startSeconds));
}

async function copyOnce(far: "source" | "target" | undefined): Promise<Copied> {
  const directory = mkdtempSync(join(tmpdir(), "tributary-longlink-"));
  const children: ChildProcess[] = [];
  try {
    const source = await startRegion(children, join(directory, "source"), "source");
    const target = await startRegion(children, join(directory, "target"), "target");
    const records = await fill(source, SHAPE);
    const sides = {
      source: far === "source" ? await farSide(children, source) : { bootstrap: source },
      target: far === "target" ? await farSide(children, target) : { bootstrap: target },
    };
    return await copy(sides.source, sides.target, records);
  } finally {
    for (const child of children) child.disconnect();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The same brokers, reached through relays although they give their own addresses. */
async function farSide(children: ChildProcess[], brokers: readonly Endpoint[]): Promise<Side> {
  const relays = new Map<number, Endpoint>();
  for (const { host, port } of brokers) {
    const relay = fork(join(import.meta.dirname, "parts/delay.ts"), [host, String(port), String(ROUND_TRIP_MS / 2)]);
    children.push(relay);
    const started = await message<{ readonly port: number }>(relay, "port");
    relays.set(port, { host: "127.0.0.1", port: started.port });
  }
  const near = nodeNetwork();
  const network: Network = {
    listen: near.listen,
    connect: (endpoint, options) => near.connect(relays.get(endpoint.port) ?? endpoint, options),
  };
  return { bootstrap: brokers, network };
}
