/** One tiering rule of an existing cluster, opened: its store, its source of segments, and what is known of its partitions. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { isMissing } from "../adapters/kafka-missing-topics.ts";
import { KafkaSegments } from "../adapters/kafka-segments.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { nodeStorage } from "../adapters/node-storage.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { Logger } from "../core/logger.ts";
import { readHead } from "../tier/archive.ts";
import type { Manifest } from "../tier/manifest.ts";
import { measuredStore, type StoreFigures } from "../tier/measured-store.ts";
import type { ArchivedPartition, ObjectStore } from "../tier/ports.ts";
import { Throttle } from "../tier/throttle.ts";
import { throttledStore } from "../tier/throttled-store.ts";
import type { LocalLogs } from "../tier/upkeep.ts";
import { VerifiedCopies } from "../tier/verified-copies.ts";
import type { Tiering } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { type LockFile, lockDirectory } from "./lock-file.ts";
import { openStore, storeIdentity } from "./open-store.ts";
import { upkeepSpec } from "./region-spec.ts";
import { TierCapture } from "./tier-capture.ts";
import { TierParquet } from "./tier-parquet.ts";
import { TierUpkeep } from "./tier-upkeep.ts";

/** No segment of an object store need be larger for requests not to count, and each is read back whole. */
const SEGMENT_BYTES_MAX = 256 * 1024 * 1024;
/** How long the records of a quiet topic wait for the archive. */
const SEGMENT_OPEN_MS_MAX = 3_600_000;

/** What is known of a partition. */
export interface PartitionProgress {
  bytesOffloaded: number;
  segmentsOffloaded: number;
  /** The newest one that was seen; undefined when there is none, unless nobody has looked yet. */
  manifest: Manifest | undefined;
  isKnown: boolean;
  error: Error | undefined;
}

/** What a rule is opened with. */
export interface ClusterRuleDeps {
  readonly client: KafkaClient;
  readonly logger: Logger;
  /** Relative stores, and spools, lie below it. */
  readonly statePath: string;
  /** Of those that the rule selects; undefined: all. */
  readonly topic: string | undefined;
  /** Only looks: another process may work on the same spool. */
  readonly readOnly: boolean;
}

/** Holds its spool's lock until it is closed. */
export class ClusterRule {
  readonly tiering: Tiering;
  readonly store: ObjectStore;
  readonly source: KafkaSegments;
  readonly upkeep: TierUpkeep;
  readonly capture: TierCapture;
  readonly verified = new VerifiedCopies(nodeClock());
  /** Undefined where the rule wants no files, or only looks. */
  readonly parquet: TierParquet | undefined;
  /** What the store's requests took. */
  readonly figures: StoreFigures;
  /** What keeps the whole rule from working. */
  failing: string | undefined;
  readonly #topic: string | undefined;
  readonly #lock: LockFile | undefined;
  readonly #progress = new Map<string, PartitionProgress>();

  private constructor(
    tiering: Tiering,
    parts: {
      readonly store: ObjectStore;
      readonly figures: StoreFigures;
      readonly source: KafkaSegments;
      readonly lock: LockFile | undefined;
    },
    { logger, topic, statePath, readOnly }: ClusterRuleDeps,
  ) {
    const { store, figures, source, lock } = parts;
    this.tiering = tiering;
    this.store = store;
    this.figures = figures;
    this.source = source;
    this.#lock = lock;
    this.#topic = topic;
    const wants = (name: string): boolean => selects(tiering.topics, name);
    this.upkeep = new TierUpkeep(upkeepSpec(tiering), { store, clock: nodeClock(), logger, wants });
    this.capture = new TierCapture(store);
    if (tiering.parquet === undefined || readOnly) return;
    this.parquet = new TierParquet(tiering.parquet, {
      ...{ store, declaration: { store: tiering.store, s3: tiering.s3 }, limits: tiering.limits, statePath, logger },
      ...{ spoolDirectory: join(statePath, "parquet", spoolName(tiering)), storage: nodeStorage(), clock: nodeClock() },
      wants: (name) => this.wants(name),
    });
  }

  /** @throws {StoreError} @throws {RuntimeError} `STATE_LOCKED` while another process works on the same rule @throws {TopologyError} */
  static async open(tiering: Tiering, deps: ClusterRuleDeps): Promise<ClusterRule> {
    const [clock, storage] = [nodeClock(), nodeStorage()];
    const { client, statePath, topic } = deps;
    const spoolDirectory = join(statePath, "spool", spoolName(tiering));
    const lock = deps.readOnly ? undefined : lockDirectory(spoolDirectory, storage);
    try {
      const opened = await openStore(tiering, { clock, random: nodeRandom(), statePath });
      const fetched = new Throttle(tiering.limits.bytesPerSecond, clock);
      const source = new KafkaSegments(
        {
          wanted: (name) => selects(tiering.topics, name) && (topic === undefined || name === topic),
          spoolDirectory,
          spoolBytesMax: tiering.spoolBytes,
          segmentBytesMax: tiering.segmentBytes ?? SEGMENT_BYTES_MAX,
          openMs: tiering.segmentAgeMs ?? SEGMENT_OPEN_MS_MAX,
          onGap: tiering.onGap,
        },
        { client, storage, clock, pace: (bytes) => fetched.take(bytes) },
      );
      // Within the limits: waiting for their turn is no time that requests take.
      const { store: measured, figures } = measuredStore(opened, clock);
      const store = throttledStore(measured, tiering.limits, clock);
      return new ClusterRule(tiering, { store, figures, source, lock }, deps);
    } catch (error) {
      lock?.release();
      throw error;
    }
  }

  /** Whether the rule is to work on a topic now. */
  wants(topic: string): boolean {
    return (this.#topic === undefined || this.#topic === topic) && selects(this.tiering.topics, topic);
  }

  /** What is known of all partitions. */
  get partitions(): Iterable<PartitionProgress> {
    return this.#progress.values();
  }

  /** What is known of one. */
  progress({ topicId, partition }: ArchivedPartition): PartitionProgress {
    const key = `${topicId}/${partition}`;
    const known = this.#progress.get(key) ?? UNKNOWN();
    this.#progress.set(key, known);
    return known;
  }

  /** The same, the store asked for the manifest unless it is known: passes bring the later ones. @throws {StoreError | ArchiveError} */
  async known(partition: ArchivedPartition): Promise<PartitionProgress> {
    const known = this.progress(partition);
    if (!known.isKnown) {
      known.manifest = (await readHead(this.store, partition))?.manifest;
      known.isKnown = true;
    }
    return known;
  }

  /** Leaves the spool for the next process. Idempotent. */
  async close(): Promise<void> {
    await this.parquet?.close();
    await this.source.close();
    this.store.close();
    this.#lock?.release();
  }
}

const UNKNOWN = (): PartitionProgress => {
  return { bytesOffloaded: 0, segmentsOffloaded: 0, manifest: undefined, isKnown: false, error: undefined };
};

/** What the last listing showed. A topic that is not in it may only be hidden from this client: the brokers are asked for it by its name,
 *  each once, where its archive may go with it. */
export function localLogs({ source, tiering }: ClusterRule, client: KafkaClient): LocalLogs {
  const missing = new Map<string, Promise<boolean>>();
  const isGone = (partition: ArchivedPartition): Promise<boolean> => {
    const known = missing.get(partition.topicId) ?? isMissing(client, partition);
    missing.set(partition.topicId, known);
    return known;
  };
  return {
    clusterId: source.clusterId,
    localStart: async (partition) => {
      const { topicId, partition: index } = partition;
      const seen = source.seen.find((one) => one.partition.topicId === topicId && one.partition.partition === index);
      if (seen !== undefined) return seen.bounds instanceof Error ? "unknown" : seen.bounds.startOffset;
      return tiering.onTopicDeleted === "delete" && (await isGone(partition)) ? "missing" : "unknown";
    },
    raiseStart: async () => {},
  };
}

/** The same for the same rule, so that a later process finds the spool; another rule never finds it. */
function spoolName(tiering: Tiering): string {
  const { include, exclude } = tiering.topics;
  const topics = [include, exclude].map((patterns) => patterns.map(({ text }) => text));
  const rule = JSON.stringify([tiering.region, storeIdentity(tiering), topics]);
  return `${tiering.region}-${createHash("sha256").update(rule).digest("hex").slice(0, 12)}`;
}
