/** Topics come, grow, are described and go; and what is refused on the way. */

import type { Uuid } from "../../../src/core/brand.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { createTopics } from "../../../src/wire/apis/19-create-topics.ts";
import { deleteTopics } from "../../../src/wire/apis/20-delete-topics.ts";
import { deleteRecords } from "../../../src/wire/apis/21-delete-records.ts";
import { createPartitions } from "../../../src/wire/apis/37-create-partitions.ts";
import { describeCluster } from "../../../src/wire/apis/60-describe-cluster.ts";
import { batch } from "../batches.ts";
import type { ContractCase, Probe } from "../probe.ts";

const ZERO = "AAAAAAAAAAAAAAAAAAAAAA" as Uuid;
const UNKNOWN_ID = "BBBBBBBBBBBBBBBBBBBBBQ" as Uuid;

interface Wanted {
  readonly name: string;
  readonly numPartitions?: number;
  readonly replicationFactor?: number;
  readonly assignments?: readonly { readonly index: number; readonly brokerIds: readonly number[] }[];
  readonly configs?: readonly { readonly name: string; readonly value: string | null }[];
}

/** Creates topics and tells the answer without the list of all settings, which is compared elsewhere. */
async function create(
  probe: Probe,
  label: string,
  topics: readonly Wanted[],
  options: { readonly validateOnly?: boolean; readonly version?: number } = {},
): Promise<void> {
  const answer = await probe.ask(createTopics, options.version ?? 7, {
    topics: topics.map((topic) => ({
      name: topic.name,
      numPartitions: topic.numPartitions ?? 1,
      replicationFactor: topic.replicationFactor ?? 1,
      assignments: topic.assignments ?? [],
      configs: topic.configs ?? [],
    })),
    timeoutMs: 10_000,
    validateOnly: options.validateOnly ?? false,
  });
  const { topics: created, ...rest } = answer;
  probe.tell(label, { ...rest, topics: created.map(({ configs, ...topic }) => topic) });
}

/** Metadata of the named topics only; the brokers of the answer are compared in a case of their own. */
async function described(probe: Probe, label: string, names: readonly string[], version = 12): Promise<void> {
  const topics = names.map((name) => ({ name }));
  // Up to v3 the broker decides whether asking creates; the contract's regions are set not to.
  const answer = await probe.ask(metadata, version, { topics, ...(version >= 4 && { allowAutoTopicCreation: false }) });
  probe.tell(label, answer.topics);
}

export const topicCases: readonly ContractCase[] = [
  {
    name: "topic is created once, with an id and the number of partitions asked for",
    run: async (probe) => {
      const name = probe.named("created");
      await create(probe, "created", [{ name, numPartitions: 3 }]);
      await create(probe, "again", [{ name }]);
      await create(probe, "again, validate only", [{ name }], { validateOnly: true });
      await create(probe, "twice in one request", [{ name: probe.named("twice") }, { name: probe.named("twice") }]);
    },
  },
  {
    name: "topic is created at every version",
    run: async (probe) => {
      for (let version = 2; version <= 7; version++) {
        await create(probe, `v${version}`, [{ name: probe.named(`created-${version}`), numPartitions: 2 }], {
          version,
        });
      }
    },
  },
  {
    name: "topics with wrong names, counts, factors, assignments and settings are refused",
    run: async (probe) => {
      const ok = probe.named("refused");
      for (const name of ["", ".", "..", "a b", "a/b", "ä", "x".repeat(250)])
        await create(probe, `name '${name}'`, [{ name }]);
      await create(probe, "no partitions", [{ name: ok, numPartitions: 0 }]);
      await create(probe, "minus two partitions", [{ name: ok, numPartitions: -2 }]);
      await create(probe, "factor zero", [{ name: ok, replicationFactor: 0 }]);
      await create(probe, "factor above the brokers", [{ name: ok, replicationFactor: 9 }]);
      await create(probe, "unknown setting", [{ name: ok, configs: [{ name: "retention", value: "1" }] }]);
      await create(probe, "bad value", [{ name: ok, configs: [{ name: "retention.ms", value: "soon" }] }]);
      await create(probe, "value out of range", [{ name: ok, configs: [{ name: "segment.bytes", value: "1" }] }]);
      await create(probe, "bad word", [{ name: ok, configs: [{ name: "cleanup.policy", value: "shred" }] }]);
      await create(probe, "null value", [{ name: ok, configs: [{ name: "retention.ms", value: null }] }]);
      await described(probe, "none of them exists", [ok]);
    },
  },
  {
    name: "topic with an assignment by hand wants everything else left to it",
    run: async (probe) => {
      const name = probe.named("assigned");
      const assignments = [{ index: 0, brokerIds: [1] }];
      await create(probe, "with counts", [{ name, assignments, numPartitions: 1, replicationFactor: 1 }]);
      const byHand = { name, numPartitions: -1, replicationFactor: -1 };
      await create(probe, "unknown broker", [{ ...byHand, assignments: [{ index: 0, brokerIds: [77] }] }]);
      await create(probe, "starts at one", [{ ...byHand, assignments: [{ index: 1, brokerIds: [1] }] }]);
      await create(probe, "right", [{ ...byHand, assignments }]);
      await create(probe, "broker's defaults", [{ ...byHand, name: probe.named("defaults"), assignments: [] }]);
    },
  },
  {
    name: "validate only creates nothing",
    run: async (probe) => {
      const name = probe.named("validated");
      await create(probe, "validated", [{ name }], { validateOnly: true });
      await described(probe, "not there", [name]);
    },
  },
  {
    name: "metadata describes a topic the same at every version",
    run: async (probe) => {
      const { name, id } = await probe.topic("meta", { partitions: 2 });
      for (let version = 1; version <= 12; version++) await described(probe, `v${version}`, [name], version);
      const byId = await probe.ask(metadata, 12, {
        topics: [{ topicId: id, name: null }],
        allowAutoTopicCreation: false,
      });
      probe.tell("by id", byId.topics);
    },
  },
  {
    name: "metadata names unknown topics, ids and bad names",
    run: async (probe) => {
      await described(probe, "unknown", [probe.named("nowhere")]);
      await described(probe, "bad name", ["a b"]);
      const topics = [{ topicId: UNKNOWN_ID, name: null }];
      const byId = await probe.ask(metadata, 12, { topics, allowAutoTopicCreation: false });
      probe.tell("unknown id", byId.topics);
      const none = await probe.ask(metadata, 12, { topics: [], allowAutoTopicCreation: false });
      probe.tell("no topics asked", none.topics);
    },
  },
  {
    name: "cluster and brokers are described",
    run: async (probe) => {
      const { topics, ...rest } = await probe.ask(metadata, 12, { topics: [], allowAutoTopicCreation: false });
      probe.tell("metadata", rest);
      for (const version of [0, 1]) {
        await probe.check(`v${version}`, describeCluster, version, { includeClusterAuthorizedOperations: false });
      }
    },
  },
  {
    name: "topic grows but never shrinks",
    run: async (probe) => {
      const { name } = await probe.topic("growing", { partitions: 2 });
      const grow = async (label: string, topic: string, count: number, validateOnly = false): Promise<void> => {
        const topics = [{ name: topic, count, assignments: null }];
        await probe.check(label, createPartitions, 3, { topics, timeoutMs: 10_000, validateOnly });
      };
      await grow("to one", name, 1);
      await grow("to two", name, 2);
      await grow("to zero", name, 0);
      await grow("to four, validate only", name, 4, true);
      await grow("to four", name, 4);
      await grow("unknown", probe.named("nowhere"), 4);
      await described(probe, "grown", [name]);
    },
  },
  {
    name: "topic is deleted by name or id, and only once",
    run: async (probe) => {
      const first = await probe.topic("gone-by-name");
      const second = await probe.topic("gone-by-id");
      const remove = async (label: string, name: string | null, topicId: Uuid): Promise<void> => {
        await probe.check(label, deleteTopics, 6, { topics: [{ name, topicId }], timeoutMs: 10_000 });
      };
      await remove("by name", first.name, ZERO);
      await remove("by name again", first.name, ZERO);
      await remove("by id", null, second.id);
      await remove("by id again", null, second.id);
      await remove("name and id", first.name, second.id);
      await probe.check("by name at v1", deleteTopics, 1, { topicNames: [first.name], timeoutMs: 10_000 });
    },
  },
  {
    name: "records are deleted up to an offset within the log",
    run: async (probe) => {
      const { name } = await probe.topic("cut");
      await probe.produce(name, batch({ count: 5, baseTimestamp: probe.nowMs }));
      const cut = async (label: string, offset: bigint, index = 0, topic = name): Promise<void> => {
        const topics = [{ name: topic, partitions: [{ index, offset }] }];
        await probe.check(label, deleteRecords, 2, { topics, timeoutMs: 10_000 });
      };
      await cut("to three", 3n);
      await cut("back to one", 1n);
      await cut("beyond the end", 6n);
      await cut("to minus two", -2n);
      await cut("to the end", -1n);
      await cut("unknown partition", 0n, 4);
      await cut("unknown topic", 0n, 0, probe.named("nowhere"));
      probe.tell("fetch", await probe.fetch(name, { offset: 5n }));
    },
  },
];
