/** Moves the cold segments of one existing cluster to its stores, and deletes there what is archived: all tiering rules of a region. */

import { kafkaGroupsView } from "../adapters/kafka-capture.ts";
import { deleteLocally, type LocalDeletion, plannedDeletions } from "../adapters/kafka-local-deletion.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { archivedTo, type Manifest } from "../tier/manifest.ts";
import type { StoreFigures } from "../tier/measured-store.ts";
import { offloadOnce } from "../tier/offload.ts";
import type { ArchivedPartition } from "../tier/ports.ts";
import { type MissingArchive, missingArchives } from "../tier/upkeep.ts";
import type { Topology } from "../topology/model.ts";
import { ClusterRule, localLogs, type PartitionProgress } from "./cluster-rule.ts";
import { openClient, regionAddress } from "./connect.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { ParquetStatus } from "./tier-parquet.ts";
import type { UpkeepStatus } from "./tier-upkeep.ts";

/** Enough to hide the store's round trips; each holds a part of a segment in memory. */
const PARALLEL = 2;
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
  /** Time of the newest archived record, milliseconds since the epoch; undefined when there is none with a time. */
  readonly archivedUntilMs: number | undefined;
  /** Since the start of this process. */
  readonly bytesOffloaded: number;
  readonly segmentsOffloaded: number;
  readonly bytesPerSecond: number;
  readonly error: string | undefined;
}

/** How a tiering rule stands, since the start of this process. */
export interface RuleStatus {
  readonly store: string;
  /** What keeps the whole rule from working. */
  readonly failure: string | undefined;
  readonly upkeep: UpkeepStatus;
  readonly requests: StoreFigures;
  /** Undefined where the rule wants no files. */
  readonly parquet: ParquetStatus | undefined;
}

/** An archive whose topic the cluster has no more. */
export interface MissingTopicArchive extends MissingArchive {
  readonly store: string;
  /** How long the topic has to be missing before its archive goes. */
  readonly graceMs: number;
}

/** What a pass did. */
export interface ClusterPass {
  readonly segmentsOffloaded: number;
  readonly bytesOffloaded: number;
  readonly deletions: readonly LocalDeletion[];
  readonly failures: readonly Error[];
}

/** Works while it is open; its spools are locked against other processes of the same state directory. */
export class ClusterOffloader implements AsyncDisposable {
  readonly #client: KafkaClient;
  readonly #logger: Logger;
  readonly #rules: readonly ClusterRule[];
  readonly #startedMs = nodeClock().monotonicMs();

  private constructor(client: KafkaClient, rules: readonly ClusterRule[], logger: Logger) {
    this.#client = client;
    this.#rules = rules;
    this.#logger = logger;
  }

  /** Reaches the cluster and the stores. @throws {RuntimeError} `REGION_UNREACHABLE`, `STATE_LOCKED` @throws {StoreError | TopologyError} */
  static async open(
    options: ClusterOffloadOptions,
    { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
  ): Promise<ClusterOffloader> {
    const { topology, state, region, topic, readOnly = false } = options;
    await using cleanup = new AsyncDisposableStack();
    const client = await openClient(regionAddress(topology, state, region), { clientId: CLIENT_ID, logger, signal });
    cleanup.defer(() => client.close());
    const rules: ClusterRule[] = [];
    for (const tiering of topology.tiering.filter((rule) => rule.region === region)) {
      const rule = await ClusterRule.open(tiering, { client, logger, statePath: state.path, topic, readOnly });
      cleanup.defer(() => rule.close());
      rules.push(rule);
    }
    cleanup.move();
    return new ClusterOffloader(client, rules, logger);
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
      let segments = 0;
      try {
        rule.source.closeAll = options.closeAll;
        // Each round moves one segment of each partition, so that a long one does not keep the others waiting.
        for (let moved = 1; moved > 0 && !options.signal.aborted; ) {
          const round = await this.#round(rule);
          moved = round.segmentsOffloaded;
          segments += round.segmentsOffloaded;
          total.segmentsOffloaded += round.segmentsOffloaded;
          total.bytesOffloaded += round.bytesOffloaded;
        }
        if (!options.signal.aborted) {
          await rule.capture.runIfDue(async () => this.#client, rule.source);
          deletions.push(...(await this.#delete(rule)));
          await rule.upkeep.runIfDue(localLogs(rule, this.#client));
          rule.parquet?.start(rule.source.clusterId, segments > 0);
        }
        failures.push(...[...rule.partitions].flatMap(({ error }) => error ?? []));
        this.#tellRule(rule, undefined);
      } catch (error) {
        failures.push(toError(error));
        this.#tellRule(rule, toError(error));
      }
    }
    return { ...total, deletions, failures };
  }

  /** Archives that would go with their topics, after the grace of their rules, from what the last plan or pass saw. Changes nothing. */
  async missing(): Promise<readonly MissingTopicArchive[]> {
    const found: MissingTopicArchive[] = [];
    for (const rule of this.#rules) {
      if (rule.tiering.onTopicDeleted !== "delete") continue;
      const deps = { store: rule.store, logs: localLogs(rule, this.#client) };
      for (const archive of await missingArchives((topic) => rule.wants(topic), deps))
        found.push({ ...archive, store: rule.store.location, graceMs: rule.tiering.graceMs });
    }
    return found;
  }

  /** Waits for the Parquet files that passes began; answers what failed. */
  async settle(): Promise<readonly Error[]> {
    const failures: Error[] = [];
    for (const { parquet } of this.#rules) {
      await parquet?.settle();
      if (parquet?.failure !== undefined) failures.push(parquet.failure);
    }
    return failures;
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
        const { manifest, bytesOffloaded, segmentsOffloaded, error } = await rule.known(partition);
        const isKnown = !(bounds instanceof Error);
        rows.push({
          partition,
          store: rule.store.location,
          archivedTo: archivedTo(manifest),
          clusterEnd: isKnown ? bounds.endOffset : undefined,
          logStart: isKnown ? bounds.startOffset : undefined,
          archivedUntilMs: newestMs(manifest),
          bytesOffloaded,
          segmentsOffloaded,
          bytesPerSecond: Math.round(bytesOffloaded / seconds),
          error: (isKnown ? error : bounds)?.message,
        });
      }
    }
    return rows;
  }

  /** All rules, in the order of the topology. */
  get rules(): readonly RuleStatus[] {
    return this.#rules.map(({ store, failing, upkeep, figures, parquet }) => ({
      ...{ store: store.location, failure: failing, upkeep: upkeep.status },
      ...{ requests: figures, parquet: parquet?.status },
    }));
  }

  /** Leaves the spools for the next process. Idempotent. */
  async close(): Promise<void> {
    for (const rule of this.#rules) await rule.close();
    await this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #round(rule: ClusterRule): Promise<{ readonly segmentsOffloaded: number; readonly bytesOffloaded: number }> {
    const { source, store, tiering } = rule;
    const moved = { segmentsOffloaded: 0, bytesOffloaded: 0 };
    // Local copies are the spool's: it never keeps what is archived.
    const policy = { olderThanMs: tiering.olderThanMs, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;
    let isOver = false;
    await offloadOnce(policy, (topic) => rule.wants(topic), {
      ...{ source, store, clock: nodeClock(), random: nodeRandom(), parallel: PARALLEL, verified: rule.verified },
      onPartition: ({ partition, moved: step, manifest, error }) => {
        isOver = true;
        const known = rule.progress(partition);
        known.bytesOffloaded += step.bytesOffloaded;
        known.segmentsOffloaded += step.segmentsOffloaded;
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
  #tell({ topic, partition }: ArchivedPartition, known: PartitionProgress, error: Error | undefined): void {
    if (error !== undefined && known.error?.message !== error.message)
      this.#logger.warn("offloading fails and is tried again", { topic, partition, cause: error.message });
    else if (error === undefined && known.error !== undefined)
      this.#logger.info("offloading works again", { topic, partition });
    known.error = error;
  }

  #tellRule(rule: ClusterRule, failure: Error | undefined): void {
    const store = rule.store.location;
    if (failure !== undefined && rule.failing !== failure.message)
      this.#logger.warn("offloading fails and is tried again", { store, cause: failure.message });
    else if (failure === undefined && rule.failing !== undefined)
      this.#logger.info("offloading works again", { store });
    rule.failing = failure?.message;
  }

  async #delete(rule: ClusterRule): Promise<readonly LocalDeletion[]> {
    if (rule.tiering.deleteLocal === "never") return [];
    const planned = await this.#planned(rule);
    return deleteLocally(planned, { client: this.#client, store: rule.store, verified: rule.verified });
  }

  async #planned(rule: ClusterRule): Promise<readonly LocalDeletion[]> {
    if (rule.tiering.deleteLocal === "never") return [];
    const copies = [];
    for (const seen of rule.source.seen) {
      const { manifest } = await rule.known(seen.partition);
      if (manifest !== undefined) copies.push({ ...seen, manifest });
    }
    return plannedDeletions(copies, rule.tiering, {
      groups: kafkaGroupsView(this.#client),
      nowMs: nodeClock().nowMs(),
    });
  }
}

function newestMs(manifest: Manifest | undefined): number | undefined {
  const times = (manifest?.segments ?? []).map(({ maxTimestampMs }) => maxTimestampMs);
  const newest = times.reduce((a, b) => Math.max(a, b), -1);
  return newest < 0 ? undefined : newest;
}
