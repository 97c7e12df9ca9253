/** Positions of groups as checkpoints: what is news goes out, and everything is told again now and then. */

import type { GroupSyncEntry, GroupSyncReport } from "../groups.ts";
import type { Checkpoint } from "./formats.ts";

/** Two workers may write the same checkpoint, the slower one last; telling it again mends that. A hundred bytes for each group and
 *  partition in five minutes. */
const TELL_AGAIN_MS = 300_000;

/** Reasons under which a group's position on the target is not known; under the others it is, written or not. */
const UNKNOWN: ReadonlySet<string> = new Set([
  "expired",
  "target-shared",
  "reverse-map-unknown",
  "target-bounds-unknown",
  "beyond-target-end",
]);

interface Told {
  readonly checkpoint: Checkpoint;
  wroteAtMs: number | undefined;
}

/** The latest checkpoint of each group and partition: bounded by the commits that groups have. */
export class Checkpoints {
  readonly #latest = new Map<string, Told>();

  /** Takes what a round of group sync found out. */
  note({ entries }: GroupSyncReport): void {
    for (const entry of entries) if (!UNKNOWN.has(entry.reason ?? "")) this.#note(checkpointOf(entry));
  }

  /** What has to be written now. */
  due(nowMs: number): readonly Checkpoint[] {
    return [...this.#latest.values()]
      .filter(({ wroteAtMs }) => wroteAtMs === undefined || nowMs - wroteAtMs >= TELL_AGAIN_MS)
      .map(({ checkpoint }) => checkpoint);
  }

  /** To be called once they are acked; one that has changed meanwhile stays due. */
  wrote(checkpoints: readonly Checkpoint[], nowMs: number): void {
    for (const checkpoint of checkpoints) {
      const told = this.#latest.get(keyOf(checkpoint));
      if (told?.checkpoint === checkpoint) told.wroteAtMs = nowMs;
    }
  }

  #note(checkpoint: Checkpoint): void {
    const key = keyOf(checkpoint);
    const told = this.#latest.get(key)?.checkpoint;
    if (told !== undefined && isSame(told, checkpoint)) return;
    this.#latest.set(key, { checkpoint, wroteAtMs: undefined });
  }
}

function checkpointOf(entry: GroupSyncEntry): Checkpoint {
  return {
    group: entry.group,
    topic: entry.targetTopic,
    partition: entry.targetPartition,
    upstreamOffset: entry.sourceOffset,
    downstreamOffset: entry.targetOffset,
    metadata: entry.metadata,
  };
}

function keyOf({ group, topic, partition }: Checkpoint): string {
  return JSON.stringify([group, topic, partition]);
}

function isSame(a: Checkpoint, b: Checkpoint): boolean {
  return (
    a.upstreamOffset === b.upstreamOffset && a.downstreamOffset === b.downstreamOffset && a.metadata === b.metadata
  );
}
