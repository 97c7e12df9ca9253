/** A flow: one direction of a mirror. Finds topics, runs a lane for each partition, and tells about all of it in one snapshot. */

import type { Uuid } from "../core/brand.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import { DiscoveryRounds } from "./discovery-rounds.ts";
import { MirrorError } from "./errors.ts";
import { FlowLanes } from "./flow-lanes.ts";
import {
  DEFAULT_CHECK_EVERY_MS,
  DEFAULT_DRAIN_MS,
  type FlowDeps,
  type FlowOptions,
  type FlowTopics,
} from "./flow-options.ts";
import type { LoopWatch } from "./loop-watch.ts";
import type { Copy } from "./metadata/deletion-sync.ts";
import type { LaneMap } from "./mm2/ports.ts";
import type { OffsetMap } from "./offset-map.ts";
import type { LaneDirectory, LaneEntry, ReverseLane } from "./offset-ports.ts";
import type { FlowStatus, LaneStatus } from "./status.ts";

/** Time for the last flush of progress. */
const FLUSH_MS = 2_000;

/** Works from `open` to `close`. */
export class Flow implements AsyncDisposable {
  readonly #options: FlowOptions;
  readonly #deps: FlowDeps;
  readonly #stopping = new AbortController();
  readonly #lanes: FlowLanes;
  readonly #rounds: DiscoveryRounds;
  #discovering: Promise<void> = Promise.resolve();
  #checking: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(options: FlowOptions, deps: FlowDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#lanes = new FlowLanes(options, deps, this.#stopping.signal);
    this.#rounds = new DiscoveryRounds(options, deps, (wanted, appeared) => this.#lanes.take(wanted, appeared));
  }

  /** Starts at once and does not wait for anything: an unreachable side shows in the status and is tried again.
   *  @throws {MirrorError} `LOOP_UNGUARDED` when copies could come back as new records for ever, `FILTER_INVALID` */
  static open(options: FlowOptions, deps: FlowDeps): Flow {
    if (options.delivery === "at-least-once" && options.naming.keepsNames && options.provenance === "local")
      throw new MirrorError({
        code: "LOOP_UNGUARDED",
        what: "at-least-once batches carry no producer id by which the other direction could tell them apart",
      });
    const flow = new Flow(options, deps);
    flow.#discovering = flow.#rounds.run(flow.#stopping.signal);
    flow.#checking = flow.#checkForEver();
    return flow;
  }

  /** A snapshot. */
  get status(): FlowStatus {
    const lanes = [...this.#lanes.resting, ...this.#lanes.running.map((lane) => lane.status)];
    return {
      name: this.#options.name,
      sourceClusterId: this.#deps.source.clusterId,
      targetClusterId: this.#deps.target.clusterId,
      lanes: lanes.toSorted(byPlace),
      lagRecords: lanes.reduce((sum, lane) => sum + (lane.lagRecords ?? 0n), 0n),
      ...this.#rounds.status,
    };
  }

  /** Snapshots of the lanes that are not at their source's end; much cheaper than `status` where all of them are. */
  get lanesBehind(): readonly LaneStatus[] {
    const behind = this.#lanes.running.filter((lane) => !lane.isAtEnd);
    return [...this.#lanes.resting, ...behind.map((lane) => lane.status)];
  }

  /** Offset maps of the running lanes, for group sync. */
  get directory(): LaneDirectory {
    return { find: (sourceTopic, sourcePartition) => this.#entry(sourceTopic, sourcePartition) };
  }

  /** The topics of both sides as the last round of discovery saw them; undefined when it failed. */
  get seen(): FlowTopics | undefined {
    return this.#rounds.seen;
  }

  /** Which incarnations the lanes copy, partition by partition. */
  get copies(): readonly Copy[] {
    return this.#lanes.running.map(({ options }) => ({
      sourceTopic: options.sourcePartition.topic,
      sourceTopicId: options.sourcePartition.topicId,
      targetTopic: options.targetPartition.topic,
      targetTopicId: options.targetPartition.topicId,
    }));
  }

  /** Offset maps of all lanes that know theirs. */
  get maps(): readonly LaneMap[] {
    return this.#lanes.newest.flatMap(({ map, options: { sourcePartition } }) => {
      const { topic: sourceTopic, partition } = sourcePartition;
      return map === undefined ? [] : [{ sourceTopic, partition, map }];
    });
  }

  #entry(sourceTopic: string, sourcePartition: number): LaneEntry | undefined {
    const lane = this.#lanes.of(sourceTopic, sourcePartition);
    if (lane?.map === undefined) return undefined;
    const { topic: targetTopic, partition: targetPartition } = lane.options.targetPartition;
    const company = this.#deps.companyOf?.(lane.options.lane, { sourceTopic, targetTopic }) ?? { kind: "alone" };
    return { targetTopic, targetPartition, map: lane.map, asReverse: reverseOf(lane.map, lane.loops), company };
  }

  /** Ends the lanes into a topic that is gone for good, and no longer speaks of them. */
  forget(targetTopicId: Uuid): void {
    this.#lanes.forget(targetTopicId);
  }

  /** Drains: reading stops, what is in flight is settled, progress is stored. Idempotent; takes less than 10 s. */
  close(): Promise<void> {
    this.#closed ??= this.#drain();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #drain(): Promise<void> {
    const { clock, progress, logger } = this.#deps;
    this.#stopping.abort();
    const ended = Promise.all([this.#discovering, this.#checking, this.#lanes.ended]);
    if (!(await within(ended, this.#options.drainMs ?? DEFAULT_DRAIN_MS, clock)))
      logger.warn("flow stopped with batches in flight", { flow: this.#options.name });
    const flushed = progress.flush().catch((error: unknown) => {
      logger.warn("progress not stored at the end", { cause: toError(error).message });
    });
    await within(flushed, FLUSH_MS, clock);
  }

  async #checkForEver(): Promise<void> {
    const { signal } = this.#stopping;
    const everyMs = this.#options.checkEveryMs ?? DEFAULT_CHECK_EVERY_MS;
    for (;;) {
      await sleep(this.#deps.clock, everyMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.#lanes.check();
    }
  }
}

function reverseOf(map: OffsetMap, loops: LoopWatch): ReverseLane {
  return {
    reverse: (targetOffset) => map.reverse(targetOffset),
    foreignFrom: (offset) => loops.foreignFrom(offset, map),
  };
}

function byPlace(a: LaneStatus, b: LaneStatus): number {
  return a.sourceTopic === b.sourceTopic ? a.partition - b.partition : a.sourceTopic < b.sourceTopic ? -1 : 1;
}

/** True when the work ended in time. */
async function within(work: Promise<unknown>, limitMs: number, clock: Clock): Promise<boolean> {
  const late = new AbortController();
  const result = await Promise.race([
    work.then(() => true),
    sleep(clock, limitMs, late.signal).then(
      () => false,
      () => true,
    ),
  ]);
  late.abort();
  return result;
}
