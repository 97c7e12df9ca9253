/** Offsets by time and by epoch. */

import { listOffsets } from "../../../src/wire/apis/02-list-offsets.ts";
import { deleteRecords } from "../../../src/wire/apis/21-delete-records.ts";
import { offsetForLeaderEpoch } from "../../../src/wire/apis/23-offset-for-leader-epoch.ts";
import { batch } from "../batches.ts";
import type { ContractCase, Probe } from "../probe.ts";

interface Question {
  readonly topic: string;
  readonly timestampMs: bigint;
  readonly version?: number;
  readonly partition?: number;
  readonly currentLeaderEpoch?: number;
  readonly isolationLevel?: number;
}

async function offsetAt(probe: Probe, label: string, asked: Question): Promise<void> {
  const { topic, timestampMs, partition = 0, currentLeaderEpoch = -1, isolationLevel = 0 } = asked;
  await probe.check(label, listOffsets, asked.version ?? 8, {
    replicaId: -1,
    isolationLevel,
    topics: [{ name: topic, partitions: [{ index: partition, currentLeaderEpoch, timestampMs }] }],
  });
}

/** Five records a second apart, in two batches: offsets 0-2 from now on, 3-4 a minute earlier. */
async function filled(probe: Probe, name: string) {
  const topic = await probe.topic(name);
  await probe.produce(topic.name, batch({ count: 3, baseTimestamp: probe.nowMs }));
  await probe.produce(topic.name, batch({ count: 2, baseTimestamp: probe.nowMs - 60_000n }));
  return topic;
}

export const offsetCases: readonly ContractCase[] = [
  {
    name: "start, end and highest timestamp are known under their special numbers",
    run: async (probe) => {
      const { name } = await filled(probe, "special");
      await offsetAt(probe, "end", { topic: name, timestampMs: -1n });
      await offsetAt(probe, "start", { topic: name, timestampMs: -2n });
      await offsetAt(probe, "highest timestamp", { topic: name, timestampMs: -3n });
      await offsetAt(probe, "local start", { topic: name, timestampMs: -4n });
      await offsetAt(probe, "last tiered", { topic: name, timestampMs: -5n, version: 9 });
      await offsetAt(probe, "end, read_committed", { topic: name, timestampMs: -1n, isolationLevel: 1 });
      await offsetAt(probe, "unknown number", { topic: name, timestampMs: -9n });
    },
  },
  {
    name: "offset at a time is the first record not older, in the order of the log",
    run: async (probe) => {
      const { name } = await filled(probe, "times");
      await offsetAt(probe, "before all", { topic: name, timestampMs: probe.nowMs - 600_000n });
      await offsetAt(probe, "at the first", { topic: name, timestampMs: probe.nowMs });
      await offsetAt(probe, "within the batch", { topic: name, timestampMs: probe.nowMs + 2n });
      await offsetAt(probe, "of the late batch", { topic: name, timestampMs: probe.nowMs - 60_000n });
      await offsetAt(probe, "after all", { topic: name, timestampMs: probe.nowMs + 3n });
    },
  },
  {
    name: "offsets are answered the same at every version",
    run: async (probe) => {
      const { name } = await filled(probe, "versions");
      for (let version = 1; version <= 10; version++) {
        await offsetAt(probe, `end v${version}`, { topic: name, timestampMs: -1n, version });
        await offsetAt(probe, `time v${version}`, { topic: name, timestampMs: probe.nowMs + 1n, version });
      }
    },
  },
  {
    name: "offsets of an empty log and of one whose records were deleted",
    run: async (probe) => {
      const { name } = await probe.topic("empty");
      for (const timestampMs of [-1n, -2n, -3n, 0n])
        await offsetAt(probe, `empty ${timestampMs}`, { topic: name, timestampMs });
      await probe.produce(name, batch({ count: 4, baseTimestamp: probe.nowMs }));
      const topics = [{ name, partitions: [{ index: 0, offset: 2n }] }];
      await probe.ask(deleteRecords, 2, { topics, timeoutMs: 10_000 });
      for (const timestampMs of [-1n, -2n, -3n, 0n])
        await offsetAt(probe, `cut ${timestampMs}`, { topic: name, timestampMs });
    },
  },
  {
    name: "offsets name unknown topics and partitions and check the client's epoch",
    run: async (probe) => {
      const { name } = await filled(probe, "wrong");
      await offsetAt(probe, "partition", { topic: name, timestampMs: -1n, partition: 7 });
      await offsetAt(probe, "topic", { topic: probe.named("nowhere"), timestampMs: -1n });
      await offsetAt(probe, "current epoch", { topic: name, timestampMs: -1n, currentLeaderEpoch: 0 });
      await offsetAt(probe, "newer epoch", { topic: name, timestampMs: -1n, currentLeaderEpoch: 4 });
    },
  },
  {
    name: "end of a leader epoch",
    run: async (probe) => {
      const { name } = await filled(probe, "epochs");
      const ask = async (label: string, leaderEpoch: number, version = 4, currentLeaderEpoch = -1): Promise<void> => {
        const partitions = [{ index: 0, currentLeaderEpoch, leaderEpoch }];
        await probe.check(label, offsetForLeaderEpoch, version, { replicaId: -1, topics: [{ name, partitions }] });
      };
      for (const version of [2, 3, 4]) await ask(`epoch 0 v${version}`, 0, version);
      await ask("later epoch", 5);
      await ask("no epoch", -1);
      await ask("client too new", 0, 4, 8);
      const partitions = [{ index: 6, currentLeaderEpoch: -1, leaderEpoch: 0 }];
      const topics = [{ name, partitions }];
      await probe.check("unknown partition", offsetForLeaderEpoch, 4, { replicaId: -1, topics });
    },
  },
];
