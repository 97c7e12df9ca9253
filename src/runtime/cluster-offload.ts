/** Moves the cold segments of one existing cluster to its stores, and deletes there what is archived: all tiering rules of a region. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { kafkaGroupsView } from "../adapters/kafka-capture.ts";
import { deleteLocally, type LocalDeletion, plannedDeletions } from "../adapters/kafka-local-deletion.ts";
import { KafkaSegments } from "../adapters/kafka-segments.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { nodeStorage } from "../adapters/node-storage.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { readHead } from "../tier/archive.ts";
import { archivedTo, type Manifest } from "../tier/manifest.ts";
import { offloadOnce } from "../tier/offload.ts";
import type { ArchivedPartition, ObjectStore } from "../tier/ports.ts";
import { Throttle } from "../tier/throttle.ts";
import { throttledStore } from "../tier/throttled-store.ts";
import type { LocalLogs } from "../tier/upkeep.ts";
import type { Tiering, Topology } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { openClient, regionAddress } from "./connect.ts";
import { type LockFile, lockDirectory } from "./lock-file.ts";
import { openStore, storeIdentity } from "./open-store.ts";
import { upkeepSpec } from "./region-spec.ts";
import type { StateDirectory } from "./state-directory.ts";
import { TierCapture } from "./tier-capture.ts";
import { TierUpkeep } from "./tier-upkeep.ts";

/** Enough to hide the store's round trips; each holds a part of a segment in memory. */
const PARALLEL = 2;
/** No segment of an object store need be larger for requests not to count, and each is read back whole. */
const SEGMENT_BYTES_MAX = 256 * 1024 * 1024;
/** How long the records of a quiet topic wait for the archive. */
const SEGMENT_OPEN_MS_MAX = 3_600_000;
const CLIENT_ID = "tributary-tier";

/** What is to be offloaded. */
export interface ClusterOffloadOptions {
  readonly topology: Topology;
  readonly state: StateDirectory;
  readonly region: string;
  /** Of those that the rules select; undefined: all. */
  readonly topic?: string | undefined;
  /** Only looks, beside another process that works. */
  readonly readOnly?: boolean;
}

/** How a partition stands. */
export interface PartitionStatus {
  readonly partition: ArchivedPartition;
  readonly store: string;
  /** The offset after everything archived; undefined when nothing is. */
  readonly archivedTo: bigint | undefined;
  /** The last stable offset; undefined when the leader did not answer. */
  readonly clusterEnd: bigint | undefined;
  readonly logStart: bigint | undefined;
  /** Since the start of this process. */
  readonly bytesOffloaded: number;
  readonly bytesPerSecond: number;
  readonly error: string | undefined;
}

/** What a pass did. */
export interface ClusterPass {
  readonly segmentsOffloaded: number;
  readonly bytesOffloaded: number;
  readonly deletions: readonly LocalDeletion[];
  readonly failures: readonly Error[];
}

interface Progress {
  bytesOffloaded: number;
  manifest: Manifest | undefined;
  isKnown: boolean;
  error: Error | undefined;
}

interface Rule {
  readonly tiering: Tiering;
  readonly store: ObjectStore;
  readonly source: KafkaSegments;
  readonly progress: Map<string, Progress>;
  readonly upkeep: TierUpkeep;
  readonly capture: TierCapture;
  /** What keeps the whole rule from working. */
  failing: string | undefined;
}

/** Works while it is open; its spools are locked against other processes of the same state directory. */
export class ClusterOffloader implements AsyncDisposable {
  readonly #client: KafkaClient;
  readonly #logger: Logger;
  readonly #rules: readonly Rule[];
  readonly #locks: readonly LockFile[];
  readonly #wants: (topic: string) => boolean;
  readonly #startedMs = nodeClock().monotonicMs();

  private constructor(
    client: KafkaClient,
    rules: readonly Rule[],
    rest: { readonly locks: readonly LockFile[]; readonly logger: Logger; readonly wants: (topic: string) => boolean },
  ) {
    this.#client = client;
    this.#rules = rules;
    this.#locks = rest.locks;
    this.#logger = rest.logger;
    this.#wants = rest.wants;
  }

  /** Reaches the cluster and the stores. @throws {RuntimeError} `REGION_UNREACHABLE`, `STATE_LOCKED` @throws {StoreError | TopologyError} */
  static async open(
    options: ClusterOffloadOptions,
    deps: { readonly logger: Logger; readonly signal?: AbortSignal },
  ): Promise<ClusterOffloader> {
    const { topology, state, region, topic } = options;
    const [clock, random, storage] = [nodeClock(), nodeRandom(), nodeStorage()];
    await using cleanup = new AsyncDisposableStack();
    const address = regionAddress(topology, state, region);
    const client = await openClient(address, { clientId: CLIENT_ID, ...deps });
    cleanup.defer(() => client.close());
    const rules: Rule[] = [];
    const locks: LockFile[] = [];
    for (const tiering of topology.tiering.filter((rule) => rule.region === region)) {
      const opened = await openStore(tiering, { clock, random, statePath: state.path });
      cleanup.defer(() => opened.close());
      const spoolDirectory = join(state.path, "spool", spoolName(tiering));
      if (options.readOnly !== true) {
        const lock = lockDirectory(spoolDirectory, storage);
        cleanup.defer(() => lock.release());
        locks.push(lock);
      }
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
      const store = throttledStore(opened, tiering.limits, clock);
      const wants = (name: string): boolean => selects(tiering.topics, name);
      const upkeep = new TierUpkeep(upkeepSpec(tiering), { store, clock, logger: deps.logger, wants });
      const capture = new TierCapture(store);
      rules.push({ tiering, store, source, progress: new Map(), upkeep, capture, failing: undefined });
    }
    cleanup.move();
    const wants = (name: string): boolean => topic === undefined || name === topic;
    return new ClusterOffloader(client, rules, { locks, logger: deps.logger, wants });
  }

  /** The shortest time between two passes that any rule wants. */
  get everyMs(): number {
    return Math.min(...this.#rules.map(({ tiering }) => tiering.everyMs));
  }

  /** Archives everything that is cold, then deletes what may go. Failures of single partitions do not stop the others. */
  async pass(options: { readonly closeAll: boolean; readonly signal: AbortSignal }): Promise<ClusterPass> {
    const total = { segmentsOffloaded: 0, bytesOffloaded: 0 };
    const deletions: LocalDeletion[] = [];
    const failures: Error[] = [];
    for (const rule of this.#rules) {
      try {
        rule.source.closeAll = options.closeAll;
        // Each round moves one segment of each partition, so that a long one does not keep the others waiting.
        for (let moved = 1; moved > 0 && !options.signal.aborted; ) {
          const round = await this.#round(rule);
          moved = round.segmentsOffloaded;
          total.segmentsOffloaded += round.segmentsOffloaded;
          total.bytesOffloaded += round.bytesOffloaded;
        }
        if (!options.signal.aborted) {
          await rule.capture.runIfDue(async () => this.#client, rule.source);
          deletions.push(...(await this.#delete(rule)));
          await rule.upkeep.runIfDue(localLogs(rule.source));
        }
        failures.push(...[...rule.progress.values()].flatMap(({ error }) => error ?? []));
        this.#tellRule(rule, undefined);
      } catch (error) {
        failures.push(toError(error));
        this.#tellRule(rule, toError(error));
      }
    }
    return { ...total, deletions, failures };
  }

  /** What a pass would delete now, from what is archived already. Changes nothing. */
  async plan(): Promise<readonly LocalDeletion[]> {
    const planned: LocalDeletion[] = [];
    for (const rule of this.#rules) {
      await rule.source.partitions();
      planned.push(...(await this.#planned(rule)));
    }
    return planned;
  }

  /** All partitions as of the last pass or plan. */
  async status(): Promise<readonly PartitionStatus[]> {
    const seconds = Math.max(0.001, (nodeClock().monotonicMs() - this.#startedMs) / 1_000);
    const rows: PartitionStatus[] = [];
    for (const rule of this.#rules) {
      for (const { partition, bounds } of rule.source.seen) {
        const { manifest, bytesOffloaded, error } = await this.#known(rule, partition);
        const isKnown = !(bounds instanceof Error);
        rows.push({
          partition,
          store: rule.store.location,
          archivedTo: archivedTo(manifest),
          clusterEnd: isKnown ? bounds.endOffset : undefined,
          logStart: isKnown ? bounds.startOffset : undefined,
          bytesOffloaded,
          bytesPerSecond: Math.round(bytesOffloaded / seconds),
          error: (isKnown ? error : bounds)?.message,
        });
      }
    }
    return rows;
  }

  /** Leaves the spools for the next process. Idempotent. */
  async close(): Promise<void> {
    for (const { source, store } of this.#rules) {
      await source.close();
      store.close();
    }
    await this.#client.close();
    for (const lock of this.#locks) lock.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #round(rule: Rule): Promise<{ readonly segmentsOffloaded: number; readonly bytesOffloaded: number }> {
    const { source, store, progress, tiering } = rule;
    const moved = { segmentsOffloaded: 0, bytesOffloaded: 0 };
    // Local copies are the spool's: it never keeps what is archived.
    const policy = { olderThanMs: tiering.olderThanMs, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;
    let isOver = false;
    await offloadOnce(policy, (topic) => this.#wants(topic) && selects(tiering.topics, topic), {
      ...{ source, store, clock: nodeClock(), random: nodeRandom(), parallel: PARALLEL },
      onPartition: ({ partition, moved: step, manifest, error }) => {
        isOver = true;
        const known = progressOf(progress, partition);
        known.bytesOffloaded += step.bytesOffloaded;
        if (manifest !== undefined) Object.assign(known, { manifest, isKnown: true });
        this.#tell(partition, known, error === undefined ? undefined : toError(error));
        moved.segmentsOffloaded += step.segmentsOffloaded;
        moved.bytesOffloaded += step.bytesOffloaded;
      },
    }).catch((error: unknown) => {
      // What single partitions met is in their progress.
      if (!isOver) throw error;
    });
    return moved;
  }

  /** Both ends of a trouble, and nothing while it lasts. */
  #tell({ topic, partition }: ArchivedPartition, known: Progress, error: Error | undefined): void {
    if (error !== undefined && known.error?.message !== error.message)
      this.#logger.warn("offloading fails and is tried again", { topic, partition, cause: error.message });
    else if (error === undefined && known.error !== undefined)
      this.#logger.info("offloading works again", { topic, partition });
    known.error = error;
  }

  #tellRule(rule: Rule, failure: Error | undefined): void {
    const store = rule.store.location;
    if (failure !== undefined && rule.failing !== failure.message)
      this.#logger.warn("offloading fails and is tried again", { store, cause: failure.message });
    else if (failure === undefined && rule.failing !== undefined)
      this.#logger.info("offloading works again", { store });
    rule.failing = failure?.message;
  }

  async #delete(rule: Rule): Promise<readonly LocalDeletion[]> {
    if (rule.tiering.deleteLocal === "never") return [];
    const planned = await this.#planned(rule);
    const manifests = (partition: ArchivedPartition) => progressOf(rule.progress, partition).manifest;
    const deps = { client: this.#client, store: rule.store, groups: kafkaGroupsView(this.#client) };
    return deleteLocally(planned, manifests, deps);
  }

  async #planned(rule: Rule): Promise<readonly LocalDeletion[]> {
    if (rule.tiering.deleteLocal === "never") return [];
    const copies = [];
    for (const seen of rule.source.seen) {
      const { manifest } = await this.#known(rule, seen.partition);
      if (manifest !== undefined) copies.push({ ...seen, manifest });
    }
    return plannedDeletions(copies, rule.tiering, {
      groups: kafkaGroupsView(this.#client),
      nowMs: nodeClock().nowMs(),
    });
  }

  /** Asks the store for a manifest once; passes bring the later ones. */
  async #known({ store, progress }: Rule, partition: ArchivedPartition): Promise<Progress> {
    const known = progressOf(progress, partition);
    if (!known.isKnown) {
      known.manifest = (await readHead(store, partition))?.manifest;
      known.isKnown = true;
    }
    return known;
  }
}

/** What the last listing showed. A topic that is not in it may only be hidden from this client, so nothing counts as gone. */
function localLogs(source: KafkaSegments): LocalLogs {
  return {
    clusterId: source.clusterId,
    localStart: async ({ topicId, partition: index }) => {
      const seen = source.seen.find(({ partition }) => partition.topicId === topicId && partition.partition === index);
      return seen === undefined || seen.bounds instanceof Error ? "unknown" : seen.bounds.startOffset;
    },
    raiseStart: async () => {},
  };
}

function progressOf(progress: Map<string, Progress>, { topicId, partition }: ArchivedPartition): Progress {
  const key = `${topicId}/${partition}`;
  const known = progress.get(key) ?? { bytesOffloaded: 0, manifest: undefined, isKnown: false, error: undefined };
  progress.set(key, known);
  return known;
}

/** The same for the same rule, so that a later process finds the spool; another rule never finds it. */
function spoolName(tiering: Tiering): string {
  const { include, exclude } = tiering.topics;
  const topics = [include, exclude].map((patterns) => patterns.map(({ text }) => text));
  const rule = JSON.stringify([tiering.region, storeIdentity(tiering), topics]);
  return `${tiering.region}-${createHash("sha256").update(rule).digest("hex").slice(0, 12)}`;
}
