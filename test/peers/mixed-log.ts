/** A log with everything that a segment may hold, and Apache Kafka's own dump tool to read its files with. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PartitionLog } from "../../src/broker/log/partition-log.ts";
import { markerBatch } from "../../src/broker/log/txn-marker.ts";
import type { Storage } from "../../src/core/storage.ts";
import type { CodecId } from "../../src/wire/compression/codec.ts";
import { batchOf, HandClock, NOW_MS, openLog } from "../unit/broker/log/log-fixture.ts";
import { kafkaJars } from "./kafka/jars.ts";

const run = promisify(execFile);
const BATCHES = 300;
/** One transaction after this many batches, aborted and committed by turns. */
const BATCHES_PER_TRANSACTION = 25;
const TRANSACTIONS = BATCHES / BATCHES_PER_TRANSACTION;
const DUMPED = [".log", ".index", ".timeindex", ".txnindex", ".snapshot"];

/** Words by which the tool complains. */
const COMPLAINTS = /mismatch|is followed by|could not|exception|error|corrupt|isvalid: false/i;
/** The tool starts counting at -1, so it says this of every segment that does not start at 0, of Kafka's own too. */
const QUIRK = /-1 is followed by \d+/;

/** Segments with all codecs, two producers, three epochs, times out of order, and transactions of a third producer. */
export function openMixedLog(storage: Storage): PartitionLog {
  const log = openLog(storage, new HandClock(), { segmentBytes: 30_000, indexIntervalBytes: 1_000 });
  let sequence = 0;
  for (let i = 0; i < BATCHES; i++) {
    const count = 1 + (i % 7);
    const producer = { producerId: 7n + BigInt(i % 2), producerEpoch: 0, baseSequence: sequence };
    const times = { timestampMs: NOW_MS + ((i * 37) % 211) + i, stepMs: (i % 3) - 1 };
    const batch = batchOf({ count, valueBytes: 150, codec: (i % 5) as CodecId, ...times, ...producer });
    const leaderEpoch = Math.floor(i / 100);
    log.append(batch, { leaderEpoch });
    sequence += count;
    const [turn, rest] = [Math.floor(i / BATCHES_PER_TRANSACTION), i % BATCHES_PER_TRANSACTION];
    const writer = { producerId: 9n, producerEpoch: turn };
    if (rest === 0) log.append(batchOf({ ...writer, baseSequence: 0, isTransactional: true }), { leaderEpoch });
    if (rest === BATCHES_PER_TRANSACTION - 1) {
      const marker = { ...writer, committed: turn % 2 === 0, coordinatorEpoch: 3 };
      log.append(markerBatch(marker, { nowMs: NOW_MS, isAppendTime: false }), { leaderEpoch });
    }
  }
  return log;
}

/** What the tool prints of all files of a directory, line by line; asserts that it complains of nothing. */
export async function dumpedLines(directory: string): Promise<readonly string[]> {
  const names = readdirSync(directory).filter((name) => DUMPED.some((suffix) => name.endsWith(suffix)));
  assert.ok(names.filter((name) => name.endsWith(".log")).length >= 3);
  const files = names.map((name) => join(directory, name)).join(",");
  const { classPath } = await kafkaJars();
  const tool = ["-Xmx256m", "-cp", classPath, "org.apache.kafka.tools.DumpLogSegments"];
  const { stdout, stderr } = await run("java", [...tool, "--deep-iteration", "--files", files], {
    maxBuffer: 2 ** 26,
  });
  const lines = `${stdout}\n${stderr}`.split("\n");
  assert.deepEqual(
    lines.filter((line) => COMPLAINTS.test(line) && !QUIRK.test(line)),
    [],
  );
  return lines;
}

/** Asserts that the lines tell of all of the mixed log. */
export function assertMixedLog(lines: readonly string[]): void {
  assert.equal(lines.filter((line) => /^baseOffset: .*isvalid: true/.test(line)).length, BATCHES + 2 * TRANSACTIONS);
  const markers = lines.filter((line) => /endTxnMarker: (ABORT|COMMIT) coordinatorEpoch: 3/.test(line));
  assert.equal(markers.length, TRANSACTIONS);
  const aborted = lines.filter((line) => /^version: 0 producerId: 9 firstOffset: \d+ lastOffset: \d+ /.test(line));
  assert.equal(aborted.length, TRANSACTIONS / 2);
}
