/** The mirror's forward path, whole: fetch from a region, plan, stamp, produce to another one, exactly once, beside a plain
 *  TCP relay of as many bytes in the same process. Regions, sender and sink are processes of their own, so the CPU counted
 *  is the mirror's alone. */

import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cost, costOf, median, printRows, type Row } from "./measure.ts";
import { copy, fill, message, type Shape, startRegion } from "./parts/copy.ts";

const ROUNDS = 3;

interface NamedShape extends Shape {
  readonly name: string;
  readonly budget?: string;
}

const MIB = 1024 * 1024;
const SHAPES: readonly NamedShape[] = [
  {
    name: "1 KiB records, 16 KiB batches, 1 partition",
    recordBytes: 1_024,
    batchBytes: 16 * 1024,
    partitions: 1,
    totalBytes: 256 * MIB,
    budget: "<= 1.2 CPU s/GB",
  },
  {
    name: "1 KiB records, 16 KiB batches, 24 partitions",
    recordBytes: 1_024,
    batchBytes: 16 * 1024,
    partitions: 24,
    totalBytes: 256 * MIB,
    budget: "<= 1.2 CPU s/GB",
  },
  {
    name: "1 KiB records, 64 KiB batches, 24 partitions",
    recordBytes: 1_024,
    batchBytes: 64 * 1024,
    partitions: 24,
    totalBytes: 384 * MIB,
    budget: "<= 1.5x relay",
  },
  {
    name: "100 B records, 16 KiB batches, 24 partitions",
    recordBytes: 100,
    batchBytes: 16 * 1024,
    partitions: 24,
    totalBytes: 256 * MIB,
    budget: "<= 1.5 CPU s/GB",
  },
];

/** Prints GB/s and CPU seconds per GB for each shape. */
export async function benchForward(): Promise<void> {
  const rows: Row[] = [];
  for (const shape of SHAPES) {
    const mirrored: Cost[] = [];
    const relayed: Cost[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      mirrored.push(await mirrorOnce(shape));
      relayed.push(await relayOnce(shape.totalBytes));
    }
    const gigabytes = shape.totalBytes / 1e9;
    const rate = (costs: readonly Cost[]): number => gigabytes / median(costs.map((cost) => cost.wallSeconds));
    const cpu = (costs: readonly Cost[]): number => median(costs.map((cost) => cost.cpuSeconds)) / gigabytes;
    rows.push({
      what: `${shape.name}: rate`,
      value: rate(mirrored),
      unit: "GB/s",
      peer: { name: "relay", value: rate(relayed) },
    });
    rows.push({
      what: `${shape.name}: CPU`,
      value: cpu(mirrored),
      unit: "CPU s/GB",
      peer: { name: "relay", value: cpu(relayed) },
      ...(shape.budget === undefined ? {} : { budget: shape.budget }),
    });
  }
  printRows("Forward path, exactly once, embedded regions as source and target", rows);
}

async function mirrorOnce(shape: Shape): Promise<Cost> {
  const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  const children: ChildProcess[] = [];
  try {
    const source = await startRegion(children, join(directory, "source"), "source");
    const target = await startRegion(children, join(directory, "target"), "target");
    const records = await fill(source, shape);
    return await costOf(() => copy({ bootstrap: source }, { bootstrap: target }, records));
  } finally {
    for (const child of children) child.disconnect();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function relayOnce(bytes: number): Promise<Cost> {
  const child = fork(join(import.meta.dirname, "parts/flood.ts"), [String(bytes)]);
  try {
    const { ports } = await message<{ readonly ports: readonly [number, number] }>(child, "ports");
    return await costOf(async () => {
      const done = message(child, "done");
      const from = connect({ host: "127.0.0.1", port: ports[0] });
      const to = connect({ host: "127.0.0.1", port: ports[1] });
      from.pipe(to);
      await done;
    });
  } finally {
    child.disconnect();
  }
}
