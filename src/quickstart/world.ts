/** What the main job's check needs of the regions and the worker; embedded regions and Apache Kafka both provide it. */

import type { ColdRange } from "./check-cold.ts";
import type { OffsetTranslator } from "./check-offsets.ts";
import type { PartitionContent } from "./records.ts";
import type { RegionAccess } from "./region-access.ts";

/** How a worker process ended. */
export interface WorkerEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** A mirror worker that runs as a process of its own. */
export interface WorkerProcess {
  readonly pid: number;
  readonly ended: Promise<WorkerEnd>;
  /** SIGKILL; resolves once the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves once the process is gone. */
  stop(): Promise<void>;
}

/** What went to the object store. */
export interface OffloadResult {
  readonly segments: number;
  readonly bytes: number;
  /** What the brokers hold no local copy of any more. */
  readonly ranges: readonly ColdRange[];
}

/** A lane whose target need not have been read yet. */
export interface LanePlace {
  readonly source: Pick<PartitionContent, "startOffset" | "endOffset">;
  readonly target: Pick<PartitionContent, "topic" | "partition">;
}

/** Sources, a target, and the means to hurt them. */
export interface MainJobWorld {
  readonly sources: readonly RegionAccess[];
  readonly target: RegionAccess;
  /** The name that a source region's topic has on the target. */
  targetTopic(region: string, topic: string): string;
  /** Starts a worker; resolves once it runs. */
  startWorker(): Promise<WorkerProcess>;
  /** Takes one broker of the target away; resolves once it is gone. */
  stopTargetBroker(): Promise<void>;
  /** Brings it back; resolves once it answers. */
  startTargetBroker(): Promise<void>;
  /** The product's own translation for every given lane; resolves once it reaches the ends of the sources, or will not. */
  translators(lanes: readonly LanePlace[]): Promise<(lane: LanePlace) => OffsetTranslator>;
  /** Moves closed segments to the object store, where the target can do that, and drops the local copies. */
  offload?(): Promise<OffloadResult>;
}
