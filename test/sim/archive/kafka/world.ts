/** What outlives the processes that archive a Kafka topic: the cluster, the store, the disks of the spools, and the time. */

import { createMemoryStore, type MemoryStore } from "../../../../src/adapters/memory-store.ts";
import type { KafkaClient } from "../../../../src/client/kafka-client.ts";
import type { Random } from "../../../../src/core/random.ts";
import type { Storage } from "../../../../src/core/storage.ts";
import type { ArchivedPartition, ObjectStore, SegmentSource } from "../../../../src/tier/ports.ts";
import { deleteRecords } from "../../../../src/wire/apis/21-delete-records.ts";
import { type BatchView, batchesIn } from "../../../../src/wire/record-batch.ts";
import { createFakeClock, type FakeClock } from "../../../support/fake-clock.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import type { Life } from "../life.ts";
import { storeSeenBy } from "../store-seen.ts";
import type { Cluster } from "./cluster.ts";
import { undeletable } from "./invariants.ts";
import { SpoolDisk } from "./spool-disk.ts";

/** Behind the cluster's clock, so that everything in it is old. */
const STARTED_MS = 1_760_000_000_000;

/** The world. */
export interface KafkaWorld {
  readonly cluster: Cluster;
  readonly partition: ArchivedPartition;
  /** Of processes and the store; the cluster has its own. */
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  /** Of each offloader, by its place: those of one place follow one another, those of two do not know of each other. */
  readonly disks: ReadonlyMap<string, SpoolDisk>;
  /** All batches that were ever in the cluster, by their base offsets. */
  readonly written: Map<bigint, BatchView>;
  /** Offset after everything that a group has read. */
  readTo: bigint;
  /** Offsets below it may be gone from the archive: somebody took them out. */
  retiredTo: bigint;
  /** Whether the cluster still has the topic. */
  isTopicThere: boolean;
  /** Offsets below it were deleted in the cluster before the topic was. */
  goneBelow: bigint;
  /** Objects that were damaged, and what they are since. */
  readonly damaged: Map<string, Buffer>;
  /** Processes so far; each names its objects by its number. */
  processes: number;
  /** What processes did that none may do. */
  readonly violations: string[];
}

/** Where offloaders run. */
export const PLACES = ["here", "elsewhere"] as const;

/** Where an offloader runs. */
export type Place = (typeof PLACES)[number];

/** A world with an empty topic. */
export async function openKafkaWorld(cluster: Cluster): Promise<KafkaWorld> {
  const clock = createFakeClock(STARTED_MS);
  return {
    cluster,
    partition: await cluster.makeTopic(),
    clock,
    store: createMemoryStore({ nowMs: () => clock.nowMs() }),
    disks: new Map(PLACES.map((place) => [place, new SpoolDisk()])),
    written: new Map(),
    readTo: 0n,
    retiredTo: 0n,
    isTopicThere: true,
    goneBelow: 0n,
    damaged: new Map(),
    processes: 0,
    violations: [],
  };
}

/** Writes so many batches, and lets a group read them all but for those of the last few offsets. */
export async function write(world: KafkaWorld, batches: number, unread: bigint): Promise<void> {
  const { cluster, partition, written } = world;
  await cluster.produce(partition, batches);
  const log = cluster.log(partition);
  const [from, endOffset] = [log?.startOffset ?? 0n, log?.endOffset ?? 0n];
  const bytes = log?.read({ fromOffset: from, endOffset, maxBytes: Number.MAX_SAFE_INTEGER }) ?? Buffer.alloc(0);
  for (const batch of batchesIn(Buffer.from(bytes))) written.set(batch.baseOffset, batch);
  world.readTo = endOffset - unread;
  await cluster.commit(partition, world.readTo);
}

/** What one process sees of the world. */
export interface KafkaProcess {
  readonly client: KafkaClient;
  readonly store: ObjectStore;
  readonly storage: Storage;
  readonly clock: FakeClock;
  readonly random: Random;
  /** What a mistaken process makes of its source of segments. */
  readonly source?: (source: SegmentSource) => SegmentSource;
}

/** How a process sees it. */
export interface View {
  readonly life: Life;
  /** Its connections to the cluster, which die with it. */
  readonly client: KafkaClient;
  readonly disk: SpoolDisk;
  /** For names of objects; no two processes share it. */
  readonly seed: number;
}

/** A process whose every use of the cluster, the store and its disk is a step of its life. */
export function processIn(world: KafkaWorld, { life, client, disk, seed }: View): KafkaProcess {
  let retiredToAtLastLook = 0n;
  const list = (prefix: string) => {
    retiredToAtLastLook = world.retiredTo;
    return world.store.list(prefix);
  };
  const request: KafkaClient["request"] = (target, api, body, options) =>
    life.step(api.name, () => {
      const what =
        api.name === deleteRecords.name ? undeletable(world, offsetIn(body), retiredToAtLastLook) : undefined;
      if (what !== undefined) world.violations.push(what);
      return client.request(target, api, body, options);
    });
  return {
    // Only requests are steps: how a client finds its brokers changes nothing.
    client: withRequest(client, request),
    store: storeSeenBy(life, world.store, list),
    storage: disk.seenBy(life),
    clock: world.clock,
    random: seededRandom(seed),
  };
}

/** The client with another way to send requests. */
export function withRequest(client: KafkaClient, request: KafkaClient["request"]): KafkaClient {
  return new Proxy(client, {
    get: (_, name) => {
      if (name === "request") return request;
      const value: unknown = Reflect.get(client, name, client);
      return typeof value === "function" ? value.bind(client) : value;
    },
  });
}

/** Of the one partition in a DeleteRecords request. */
function offsetIn(body: unknown): bigint {
  interface Asked {
    readonly topics: readonly { readonly partitions: readonly { readonly offset: bigint }[] }[];
  }
  const { topics } = body as Asked;
  return topics[0]?.partitions[0]?.offset ?? 0n;
}
