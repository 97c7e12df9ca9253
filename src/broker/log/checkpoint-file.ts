/** Kafka's small text files: `partition.metadata` and checkpoints of numbers, read and written whole. */

import type { Storage } from "../../core/storage.ts";
import { LogError } from "./errors.ts";

const VERSION = "0";

/** Rows of a checkpoint file: a version line, a count line, then one line per row. Undefined when the file is missing or
 *  damaged: every checkpoint can be rebuilt or has a safe default. */
export function readCheckpoint(storage: Storage, path: string): readonly (readonly string[])[] | undefined {
  if (!storage.exists(path)) return undefined;
  const lines = storage.readFile(path).toString("utf8").split("\n");
  const count = Number(lines[1]);
  const rows = lines.slice(2, 2 + count);
  if (lines[0] !== VERSION || !Number.isInteger(count) || count < 0 || rows.length !== count) return undefined;
  return rows.map((row) => row.split(" "));
}

/** Replaces a checkpoint file atomically. */
export function writeCheckpoint(storage: Storage, path: string, rows: readonly (readonly unknown[])[]): void {
  const lines = [VERSION, String(rows.length), ...rows.map((row) => row.join(" "))];
  storage.writeFile(path, Buffer.from(`${lines.join("\n")}\n`));
}

/** Which partition a checkpoint of one offset speaks of. */
export interface CheckpointKey {
  readonly topic: string;
  readonly partition: number;
}

/** The offset in a checkpoint of one partition (`topic partition offset`, Kafka's `OffsetCheckpointFile`). */
export function readOffsetCheckpoint(storage: Storage, path: string): bigint | undefined {
  const text = readCheckpoint(storage, path)?.[0]?.[2];
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : undefined;
}

/** Writes what `readOffsetCheckpoint` reads. */
export function writeOffsetCheckpoint(storage: Storage, path: string, row: CheckpointKey & { offset: bigint }): void {
  writeCheckpoint(storage, path, [[row.topic, row.partition, row.offset]]);
}

/** Makes sure that a directory belongs to the topic id, writing it into a new one (Kafka, `PartitionMetadataFile`).
 *  @throws {LogError} `LOG_WRONG_TOPIC`, `LOG_BAD_FILE` */
export function claimPartitionMetadata(storage: Storage, path: string, topicId: string): void {
  if (!storage.exists(path)) {
    storage.writeFile(path, Buffer.from(`version: 0\ntopic_id: ${topicId}`));
    return;
  }
  const actual = /^topic_id: (\S+)$/m.exec(storage.readFile(path).toString("utf8"))?.[1];
  if (actual === undefined) throw new LogError({ code: "LOG_BAD_FILE", path, what: "no topic_id" });
  if (actual !== topicId) throw new LogError({ code: "LOG_WRONG_TOPIC", path, expected: topicId, actual });
}
