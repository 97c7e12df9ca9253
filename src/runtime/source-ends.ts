/** How far behind lanes are, asked of the sources once a second: a lane that stands still does not know itself. */

import type { LaneKey } from "../mirror/offset-ports.ts";
import { laneKey } from "../mirror/offset-ports.ts";
import type { Source } from "../mirror/ports.ts";
import type { LaneStatus } from "../mirror/status.ts";

/** Moments remembered per lane: a lane that falls behind for longer tells a smaller time, never a larger one. */
const MOMENTS_MAX = 128;

/** How far behind a lane is. */
export interface Lag {
  readonly sourceEnd: bigint;
  readonly records: bigint;
  /** How long the oldest record that is not copied has been there, as far as this worker has seen; to about a second. */
  readonly behindMs: number;
}

/** The ends of a partition by the time they were first seen, oldest first. */
interface Moment {
  readonly end: bigint;
  readonly atMs: number;
}

/** The source ends of one flow's lanes. */
export class SourceEnds {
  readonly #lanes = new Map<LaneKey, Moment[]>();
  /** Where the logs of lanes begin. */
  readonly #starts = new Map<LaneKey, bigint>();

  /** Asks for the ends of all lanes in as few requests as there are leaders. Lanes that cannot be asked keep what is known. */
  async refresh(lanes: readonly LaneStatus[], source: Pick<Source, "bounds">, nowMs: () => number): Promise<void> {
    await Promise.all(
      lanes.map(async ({ lane, sourceTopic, partition }) => {
        const at = { topic: sourceTopic, topicId: lane.sourceTopicId, partition };
        const bounds = await source.bounds(at).catch(() => undefined);
        if (bounds === undefined) return;
        this.#starts.set(laneKey(lane), bounds.startOffset);
        this.note(laneKey(lane), { end: bounds.endOffset, atMs: nowMs() });
      }),
    );
  }

  /** Remembers an end that was seen. */
  note(lane: LaneKey, moment: Moment): void {
    const moments = this.#lanes.get(lane) ?? [];
    const last = moments.at(-1);
    if (last === undefined || moment.end > last.end) moments.push(moment);
    if (moments.length > MOMENTS_MAX) moments.shift();
    this.#lanes.set(lane, moments);
  }

  /** The lag of a lane; undefined while nothing is known about it. */
  lagOf(status: LaneStatus, nowMs: number): Lag | undefined {
    const moments = this.#lanes.get(laneKey(status.lane)) ?? [];
    const seen = moments.at(-1)?.end;
    const end = later(status.sourceEnd, seen);
    const next = status.sourceNext ?? this.#firstOf(status);
    if (end === undefined || next === undefined) return undefined;
    while (moments.length > 1 && (moments[0]?.end ?? 0n) <= next) moments.shift();
    if (end <= next) return { sourceEnd: end, records: 0n, behindMs: 0 };
    const since = moments.find((moment) => moment.end > next)?.atMs ?? nowMs;
    return { sourceEnd: end, records: end - next, behindMs: Math.max(0, nowMs - since) };
  }

  /** What a lane that must not begin would copy first: a stop hides no records. */
  #firstOf({ lane, state, reason }: LaneStatus): bigint | undefined {
    if (state !== "stopped") return undefined;
    const start = this.#starts.get(laneKey(lane));
    if (start === undefined || reason?.code !== "ADOPTION_NEEDED" || reason.copiedOffset < start) return start;
    return reason.copiedOffset + 1n;
  }
}

function later(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}
