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

/** One flow's records for MirrorMaker 2's readers. */
export class Mm2Compat {
  readonly #options: Mm2CompatOptions;
  readonly #deps: Mm2CompatDeps;
  readonly #checkpoints = new Checkpoints();
  readonly #syncs = new OffsetSyncs();
  /** Source positions of groups by lane, of the latest round. */
  #positions: ReadonlyMap<string, readonly bigint[]> = new Map();

  constructor(options: Mm2CompatOptions, deps: Mm2CompatDeps) {
    this.#options = options;
    this.#deps = deps;
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
    const { aliases, readOnlySource } = this.#options;
    const back = { source: aliases.target, target: aliases.source };
    const tasks = [
      this.#repeat("heartbeats", BEAT_EVERY_MS, () => this.#beat(target, aliases), signal),
      this.#repeat("checkpoints", BEAT_EVERY_MS, () => this.#writeCheckpoints(), signal),
      this.#repeat("offset syncs", SYNC_EVERY_MS, () => this.#writeSyncs(), signal),
    ];
    if (!readOnlySource)
      tasks.push(this.#repeat("source heartbeats", BEAT_EVERY_MS, () => this.#beat(source, back), signal));
    await Promise.all(tasks);
  }

  async #repeat(what: string, everyMs: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    let failing = false;
    while (!signal.aborted) {
      try {
        await work();
        if (failing) logger.info("MirrorMaker records are written again", { what });
        failing = false;
      } catch (error) {
        if (!(error instanceof TributaryError)) throw error;
        if (!failing && !signal.aborted)
          logger.warn("MirrorMaker records cannot be written", { what, ...error.fault, why: error.message });
        failing = true;
      }
      await sleep(clock, everyMs, signal).catch(() => undefined);
    }
  }

  #beat(topics: CompactedTopics, { source, target }: Aliases): Promise<void> {
    const timestampMs = BigInt(this.#deps.clock.nowMs());
    const heartbeat = encodeHeartbeat({ sourceAlias: source, targetAlias: target, timestampMs });
    return topics.append(HEARTBEATS_TOPIC, [heartbeat]);
  }

  async #writeCheckpoints(): Promise<void> {
    const { clock, target } = this.#deps;
    const { policy, aliases } = this.#options;
    const due = this.#checkpoints.due(clock.monotonicMs());
    if (due.length === 0) return;
    await target.append(checkpointsTopic(policy, aliases.source), due.map(encodeCheckpoint));
    this.#checkpoints.wrote(due, clock.monotonicMs());
  }

  async #writeSyncs(): Promise<void> {
    const { lanes, source, target } = this.#deps;
    const { policy, aliases, readOnlySource } = this.#options;
    const due = lanes().flatMap((lane) =>
      this.#syncs.due(lane, this.#positions.get(laneOf(lane.sourceTopic, lane.partition)) ?? []),
    );
    if (due.length === 0) return;
    const records = due.map(encodeOffsetSync);
    if (readOnlySource) await target.append(offsetSyncsTopic(policy, aliases.source), records);
    else await source.append(offsetSyncsTopic(policy, aliases.target), records);
    this.#syncs.wrote(due);
  }
}

function laneOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
