/** Regions whose topics are archived and restored. */

import { embeddedSegments } from "../../src/adapters/embedded-segments.ts";
import { kafkaGroupsView, kafkaTopicsView } from "../../src/adapters/kafka-capture.ts";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { deleteTopics } from "../../src/client/admin.ts";
import { commitOffsets, fetchOffsets } from "../../src/client/groups.ts";
import { silentLogger } from "../../src/core/logger.ts";
import {
  prepareRestore,
  type RestoreOptions,
  type RestoreReport,
  runRestore,
} from "../../src/runtime/restore/restore.ts";
import { RestoreTarget } from "../../src/runtime/restore/restore-target.ts";
import { captureGroups } from "../../src/tier/groups.ts";
import { offloadOnce } from "../../src/tier/offload.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { captureTopics } from "../../src/tier/topic-record.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { type EmbeddedSide, MirrorWorld, type Seen, type Side } from "./mirror-world.ts";

const clock = nodeClock();
const random = nodeRandom();
const EVERYTHING_COLD = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;
/** So small that a few batches fill a segment: only closed ones are archived. */
export const SEGMENT_BYTES = 16_384;

/** A mirror world with a store. */
export class RestoreWorld extends MirrorWorld {
  readonly store: ObjectStore;

  constructor(store: ObjectStore = createMemoryStore()) {
    super();
    this.store = store;
  }

  /** A topic whose segments close soon. */
  archivedTopic(side: Side, name: string, partitions: number): Promise<void> {
    return this.topic(side, name, partitions, { "segment.bytes": String(SEGMENT_BYTES) });
  }

  /** Appends records with keys, headers and times from `firstMs` on, one batch for each codec in turn. */
  async fill(side: Side, topic: string, index: number, firstMs: number, batches = 30): Promise<void> {
    for (let at = 0; at < batches; at++) {
      const records = Array.from({ length: 10 }, (_, i) => ({
        timestampMs: BigInt(firstMs + at * 10 + i),
        key: i % 3 === 0 ? null : Buffer.from(`k${i}`),
        value: i % 7 === 0 ? null : Buffer.from(random.bytes(200)),
        headers: i % 2 === 0 ? [{ key: "h", value: Buffer.from(`${at}`) }] : [],
      }));
      await this.append(side, { topic, index }, encodeBatch(records, { codec: (at % 5) as 0 | 1 | 2 | 3 | 4 }));
    }
  }

  /** Archives everything that is closed, and what belongs to it. */
  async archive(side: EmbeddedSide, topics: readonly string[]): Promise<void> {
    const { store } = this;
    const { clusterId } = side.region;
    await offloadOnce(EVERYTHING_COLD, (topic) => topics.includes(topic), {
      source: embeddedSegments(side.region),
      store,
      clock,
      random,
    });
    await captureTopics(clusterId, topics, kafkaTopicsView(side.client), { store, clock });
    await this.capture(side);
  }

  /** Captures the groups alone. */
  async capture(side: EmbeddedSide): Promise<void> {
    await captureGroups(side.region.clusterId, kafkaGroupsView(side.client), { store: this.store, clock, random });
  }

  /** Restores as the command does. */
  async restore(
    to: Side,
    options: Partial<RestoreOptions> = {},
    onProgress: (done: bigint) => void = () => {},
  ): Promise<RestoreReport> {
    const wanted = { topics: () => true, groups: true, targetName: (topic: string) => topic, ...options };
    await using target = new RestoreTarget({ client: to.client, clock, random, logger: silentLogger });
    const deps = { store: this.store, to: target };
    const prepared = await prepareRestore(wanted, deps);
    return runRestore(prepared, wanted, { ...deps, watch: { signal: new AbortController().signal, onProgress } });
  }

  async deleteTopic({ client }: Side, name: string): Promise<void> {
    const [deleted] = await deleteTopics(client, [name]);
    if (deleted?.errorCode !== 0) throw new Error(`${name} not deleted`);
  }

  /** Sets positions as a tool does. */
  async commit({ client }: Side, group: string, topic: string, offsets: readonly bigint[]): Promise<void> {
    const commits = offsets.map((committedOffset, index) => ({
      topic,
      index,
      committedOffset,
      committedMetadata: `${group}!`,
    }));
    const outcomes = await commitOffsets(client, group, { offsets: commits });
    if (outcomes.some(({ errorCode }) => errorCode !== 0)) throw new Error("commit refused");
  }

  /** Offset and metadata by partition. */
  async committed(
    { client }: Side,
    group: string,
    topic: string,
  ): Promise<ReadonlyMap<number, readonly [bigint, string]>> {
    const [answer] = await fetchOffsets(client, [{ groupId: group }]);
    const own = (answer?.offsets ?? []).filter((commit) => commit.topic === topic && commit.committedOffset >= 0n);
    return new Map(
      own.map(({ index, committedOffset, committedMetadata }) => [index, [committedOffset, committedMetadata ?? ""]]),
    );
  }
}

/** Records without their offsets. */
export function withoutOffsets(records: readonly Seen[]): readonly Omit<Seen, "offset">[] {
  return records.map(({ offset: _, ...rest }) => rest);
}
