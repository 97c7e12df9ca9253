/** What a fetch returns at each place of a log, by name and by topic id, and what it says when there is nothing. */

import type { Uuid } from "../../../src/core/brand.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { deleteTopics } from "../../../src/wire/apis/20-delete-topics.ts";
import { deleteRecords } from "../../../src/wire/apis/21-delete-records.ts";
import { batch } from "../batches.ts";
import type { ContractCase, Probe } from "../probe.ts";

const UNKNOWN_ID = "BBBBBBBBBBBBBBBBBBBBBQ" as Uuid;

/** A topic with three batches of five records: offsets 0-4, 5-9, 10-14. */
async function filled(probe: Probe, name: string) {
  const topic = await probe.topic(name);
  for (let i = 0; i < 3; i++) {
    await probe.produce(topic.name, batch({ count: 5, baseTimestamp: probe.nowMs + BigInt(i * 10) }));
  }
  return topic;
}

/** One partition by topic id, at the versions that can. */
async function fetchById(probe: Probe, topicId: Uuid, version: number, offset: bigint) {
  return probe.ask(fetchApi, version, {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 1,
    topics: [{ topicId, partitions: [{ index: 0, fetchOffset: offset, partitionMaxBytes: 1_000_000 }] }],
  });
}

export const fetchCases: readonly ContractCase[] = [
  {
    name: "fetch returns whole batches from the one that holds the offset on",
    run: async (probe) => {
      const { name } = await filled(probe, "whole");
      probe.tell("from 0", await probe.fetch(name));
      probe.tell("from 7", await probe.fetch(name, { offset: 7n }));
      probe.tell("from the last", await probe.fetch(name, { offset: 14n }));
      probe.tell("at the end", await probe.fetch(name, { offset: 15n }));
    },
  },
  {
    name: "fetch returns the first batch whole even when it exceeds every limit",
    run: async (probe) => {
      const { name } = await filled(probe, "limits");
      probe.tell("partition limit 1", await probe.fetch(name, { partitionMaxBytes: 1 }));
      probe.tell("request limit 1", await probe.fetch(name, { maxBytes: 1, offset: 6n }));
    },
  },
  {
    name: "fetch beyond the end or below the start is out of range",
    run: async (probe) => {
      const { name } = await filled(probe, "range");
      probe.tell("beyond", await probe.fetch(name, { offset: 16n }));
      probe.tell("negative", await probe.fetch(name, { offset: -5n }));
      const cut = await probe.ask(deleteRecords, 2, {
        topics: [{ name, partitions: [{ index: 0, offset: 7n }] }],
        timeoutMs: 10_000,
      });
      probe.tell("delete records", cut);
      probe.tell("below the start", await probe.fetch(name, { offset: 3n }));
      probe.tell("at the start", await probe.fetch(name, { offset: 7n }));
    },
  },
  {
    name: "fetch by topic id answers as by name",
    run: async (probe) => {
      const { id } = await filled(probe, "by-id");
      for (let version = 13; version <= 17; version++)
        probe.tell(`v${version}`, await fetchById(probe, id, version, 5n));
    },
  },
  {
    name: "fetch answers the same at every version by name",
    run: async (probe) => {
      const { name } = await filled(probe, "by-name");
      for (let version = 4; version <= 12; version++) {
        probe.tell(`v${version}`, await probe.fetch(name, { version, offset: 10n }));
      }
    },
  },
  {
    name: "fetch names unknown topics, ids and partitions",
    run: async (probe) => {
      const { name } = await filled(probe, "unknown");
      probe.tell("partition", await probe.fetch(name, { partition: 3 }));
      probe.tell("topic", await probe.fetch(probe.named("nowhere")));
      probe.tell("id", await fetchById(probe, UNKNOWN_ID, 13, 0n));
    },
  },
  {
    name: "fetch by the id of a deleted topic is refused although a new one has its name",
    run: async (probe) => {
      const { name, id } = await filled(probe, "again");
      await probe.ask(deleteTopics, 6, { topics: [{ name, topicId: ZERO }], timeoutMs: 10_000 });
      await recreated(probe, "again");
      probe.tell("old id", await fetchById(probe, id, 13, 0n));
    },
  },
  {
    name: "fetch checks the leader epoch that the client believes in",
    run: async (probe) => {
      const { name } = await filled(probe, "epoch");
      probe.tell("current", await probe.fetch(name, { currentLeaderEpoch: 0 }));
      probe.tell("newer than the leader's", await probe.fetch(name, { currentLeaderEpoch: 3 }));
    },
  },
  {
    name: "fetch with the epoch of the last batch tells a diverging log from a normal one",
    run: async (probe) => {
      const { name } = await filled(probe, "diverging");
      probe.tell("same epoch", await probe.fetch(name, { offset: 10n, lastFetchedEpoch: 0 }));
      probe.tell("same epoch, beyond the end", await probe.fetch(name, { offset: 30n, lastFetchedEpoch: 0 }));
      probe.tell("later epoch", await probe.fetch(name, { offset: 10n, lastFetchedEpoch: 7 }));
    },
  },
  {
    name: "fetch with read_committed lists no aborted transactions where there are none",
    run: async (probe) => {
      const { name } = await filled(probe, "committed");
      probe.tell("read_committed", await probe.fetch(name, { isolationLevel: 1, offset: 10n }));
    },
  },
  {
    name: "fetch waits for data until its time is over, and no longer once it arrives",
    run: async (probe) => {
      const { name } = await probe.topic("waits");
      probe.tell("nothing", await probe.fetch(name, { maxWaitMs: 50 }));
      const waiting = await probe.connect();
      const answer = waiting.ask(fetchApi, 12, {
        maxWaitMs: 15_000,
        minBytes: 1,
        maxBytes: 1_000_000,
        isolationLevel: 0,
        topics: [{ name, partitions: [{ index: 0, fetchOffset: 0n, partitionMaxBytes: 1_000_000 }] }],
      });
      await probe.produce(name, batch({ baseTimestamp: probe.nowMs }));
      probe.tell("woken", await answer);
    },
  },
  {
    name: "fetch with a session nobody opened is refused",
    run: async (probe) => {
      const { name } = await filled(probe, "session");
      probe.tell("session 77", await probe.fetch(name, { sessionId: 77, sessionEpoch: 5 }));
    },
  },
];

const ZERO = "AAAAAAAAAAAAAAAAAAAAAA" as Uuid;

/** The name may still be taken for a moment. */
async function recreated(probe: Probe, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await probe.topic(name);
      return;
    } catch (error) {
      if (attempt === 50) throw error;
    }
  }
}
