/** Writes what MirrorMaker 2 would write beside a flow, so that Kafka's `MirrorClient` and `RemoteClusterUtils`, and whatever was
 *  built on them, go on working:
 *
 *  ```
 *  target   heartbeats                       (source, target) every second
 *           <source>.checkpoints.internal    each group's position, exact
 *  source   heartbeats                       (target, source); the flow carries them to <source>.heartbeats
 *           mm2-offset-syncs.<target>.internal
 *  ```
 *  With a source that must not be written to, the last goes to the target as `mm2-offset-syncs.<source>.internal`, which is
 *  MirrorMaker's `offset-syncs.topic.location=target`, and the heartbeats of the source are left out. */

import { type Clock, sleep } from "../../core/clock.ts";
import { TributaryError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import {
  checkpointsTopic,
  HEARTBEATS_TOPIC,
  offsetSyncsTopic,
  type ReplicationPolicy,
} from "../../topology/replication-policy.ts";
import type { GroupSyncReport } from "../groups.ts";
import type { TopicTrouble } from "../status.ts";
import { Checkpoints } from "./checkpoints.ts";
import { encodeCheckpoint, encodeHeartbeat, encodeOffsetSync } from "./formats.ts";
import type { Aliases } from "./heartbeat-topics.ts";
import { OffsetSyncs } from "./offset-syncs.ts";
import type { CompactedTopics, LaneMap } from "./ports.ts";

/** As MirrorMaker's `emit.heartbeats.interval.seconds`; checkpoints are looked after as often. */
const BEAT_EVERY_MS = 1_000;
/** MirrorMaker tells a sync per 100 records, and the newest each minute; a lane's newest record this often is cheaper and closer. */
const SYNC_EVERY_MS = 5_000;

/** What to write. */
export interface Mm2CompatOptions {
  readonly policy: ReplicationPolicy;
  readonly aliases: Aliases;
  /** True: nothing is written to the source. */
  readonly readOnlySource: boolean;
}

/** What it works with. */
export interface Mm2CompatDeps {
  readonly source: CompactedTopics;
  readonly target: CompactedTopics;
  readonly lanes: () => readonly LaneMap[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Something that is written again and again. */
interface Task {
  readonly topic: string;
  readonly everyMs: number;
  readonly work: () => Promise<void>;
}

/** One flow's records for MirrorMaker 2's readers. */
export class Mm2Compat {
  readonly #options: Mm2CompatOptions;
  readonly #deps: Mm2CompatDeps;
  readonly #checkpoints = new Checkpoints();
  readonly #syncs = new OffsetSyncs();
  /** Source positions of groups by lane, of the latest round. */
  #positions: ReadonlyMap<string, readonly bigint[]> = new Map();
  /** What cannot be written now: topics, each with the reason. */
  readonly #failing = new Map<string, string>();

  constructor(options: Mm2CompatOptions, deps: Mm2CompatDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Topics that cannot be written at present. */
  get troubles(): readonly TopicTrouble[] {
    return [...this.#failing].map(([topic, why]) => ({ sourceTopic: topic, targetTopic: topic, about: "mm2", why }));
  }

  /** Takes what a round of group sync found out; it is written within a second. */
  noteGroups(report: GroupSyncReport): void {
    this.#checkpoints.note(report);
    const byLane = Map.groupBy(report.entries, (entry) => laneOf(entry.sourceTopic, entry.sourcePartition));
    this.#positions = new Map([...byLane].map(([lane, entries]) => [lane, entries.map((entry) => entry.sourceOffset)]));
  }

  /** Writes until `signal` aborts. What cannot be written is logged once and tried again; nothing else waits for it. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, target } = this.#deps;
    const { policy, aliases, readOnlySource } = this.#options;
    const back = { source: aliases.target, target: aliases.source };
    const [syncs, other] = readOnlySource ? [target, aliases.source] : [source, aliases.target];
    const [checkpointsAt, syncsAt] = [checkpointsTopic(policy, aliases.source), offsetSyncsTopic(policy, other)];
    const tasks: readonly Task[] = [
      { topic: HEARTBEATS_TOPIC, everyMs: BEAT_EVERY_MS, work: () => this.#beat(target, aliases) },
      { topic: checkpointsAt, everyMs: BEAT_EVERY_MS, work: () => this.#writeCheckpoints(checkpointsAt) },
      { topic: syncsAt, everyMs: SYNC_EVERY_MS, work: () => this.#writeSyncs(syncs, syncsAt) },
    ];
    const beatBack = {
      topic: `${HEARTBEATS_TOPIC} of ${aliases.source}`,
      everyMs: BEAT_EVERY_MS,
      work: () => this.#beat(source, back),
    };
    const all = readOnlySource ? tasks : [...tasks, beatBack];
    await Promise.all(all.map((task) => this.#repeat(task, signal)));
  }

  async #repeat({ topic, everyMs, work }: Task, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted) {
      try {
        await work();
        if (this.#failing.delete(topic)) logger.info("MirrorMaker records are written again", { topic });
      } catch (error) {
        if (!(error instanceof TributaryError)) throw error;
        if (!this.#failing.has(topic) && !signal.aborted)
          logger.warn("MirrorMaker records cannot be written", { ...error.fault, topic, why: error.message });
        this.#failing.set(topic, error.message);
      }
      await sleep(clock, everyMs, signal).catch(() => undefined);
    }
  }

  #beat(topics: CompactedTopics, { source, target }: Aliases): Promise<void> {
    const timestampMs = BigInt(this.#deps.clock.nowMs());
    const heartbeat = encodeHeartbeat({ sourceAlias: source, targetAlias: target, timestampMs });
    return topics.append(HEARTBEATS_TOPIC, [heartbeat]);
  }

  async #writeCheckpoints(topic: string): Promise<void> {
    const { clock, target } = this.#deps;
    const due = this.#checkpoints.due(clock.monotonicMs());
    if (due.length === 0) return;
    await target.append(topic, due.map(encodeCheckpoint));
    this.#checkpoints.wrote(due, clock.monotonicMs());
  }

  async #writeSyncs(topics: CompactedTopics, topic: string): Promise<void> {
    const due = this.#deps
      .lanes()
      .flatMap((lane) => this.#syncs.due(lane, this.#positions.get(laneOf(lane.sourceTopic, lane.partition)) ?? []));
    if (due.length === 0) return;
    await topics.append(topic, due.map(encodeOffsetSync));
    this.#syncs.wrote(due);
  }
}

function laneOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
