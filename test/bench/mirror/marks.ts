/** Marks along the way of a mirror: how much has arrived, when, and what the mirror's process had used by then. */

import { setTimeout as delay } from "node:timers/promises";
import { type Side, stableEnd } from "./brokers.ts";
import { cpuSecondsOf } from "./processes.ts";

/** What is watched. */
export interface Watched {
  readonly target: Side;
  readonly targetTopic: string;
  readonly partitions: number;
  readonly pid: number;
}

/** One moment. */
export interface Mark {
  /** Records that readers of committed data see, in all partitions. */
  readonly records: number;
  readonly atMs: number;
  readonly cpuSeconds: number;
}

/** Often enough for 2 % of a round, seldom enough to cost the broker nothing to speak of. */
const POLL_MS = 20;
/** Transactions end within this time of each other. */
const STILL_MS = 1_200;
/** A mirror that copies nothing for so long has stopped; MirrorMaker 2 takes up to a minute for its first record. */
const STALLED_MS = 90_000;

/** The moment now. */
export async function markOf({ target, targetTopic, partitions, pid }: Watched): Promise<Mark> {
  const records = Number(await stableEnd(target, targetTopic, partitions));
  return { records, atMs: performance.now(), cpuSeconds: cpuSecondsOf(pid) };
}

/** What is waited for. */
export interface Awaited {
  /** From when on it counts: taken while the mirror is stopped, for it may copy a good part before the first answer comes. */
  readonly first: Mark;
  /** So many more. */
  readonly records: number;
  readonly isTransactional: boolean;
}

/** Waits until so many records more have arrived; every moment in which more had arrived than before.
 *  Transactions count for more offsets than records, so that the end of those is that nothing moves any more.
 *  @throws {Error} when nothing more comes */
export async function marksUntil(watched: Watched, awaited: Awaited): Promise<readonly Mark[]> {
  const { records, isTransactional } = awaited;
  const first = { ...awaited.first, atMs: performance.now() };
  const marks: Mark[] = [first];
  for (let last: Mark = first; ; ) {
    const isThere = last.records >= first.records + records;
    const now = await markOf(watched);
    const stillMs = now.atMs - last.atMs;
    if (now.records > last.records) {
      last = now;
      marks.push(now);
    } else if (isThere && (!isTransactional || stillMs > STILL_MS)) {
      return marks;
    } else if (stillMs > STALLED_MS) {
      const copied = last.records - first.records;
      throw new Error(`only ${copied} of ${records} records were copied, and nothing for ${STALLED_MS / 1_000} s`);
    }
    await delay(POLL_MS);
  }
}

/** What happened between two marks. */
export interface Stretch {
  /** Of record values, as all figures here. */
  readonly gigabytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** The stretch from one mark to another. */
export function stretchOf(from: Mark, to: Mark, recordBytes: number): Stretch {
  return {
    gigabytes: ((to.records - from.records) * recordBytes) / 1e9,
    seconds: (to.atMs - from.atMs) / 1_000,
    cpuSeconds: to.cpuSeconds - from.cpuSeconds,
  };
}

/** Of a round neither its beginning counts, when a mirror that was stopped finds itself again, nor its end, when it waits for more. */
const EDGE_SHARE = 1 / 12;

/** The steady part of a round of so many records; all of it where what arrives does so in a few large steps (transactions). */
export function steadyStretch(
  marks: readonly Mark[],
  round: { readonly records: number; readonly recordBytes: number; readonly isStepped: boolean },
): Stretch {
  const [first, last] = [marks[0], marks.at(-1)];
  if (first === undefined || last === undefined || last === first) throw new Error("nothing arrived in a round");
  // Offsets that are no records, such as markers of transactions, lie evenly among them.
  const offsets = last.records - first.records;
  const stretch = (from: Mark, to: Mark): Stretch => stretchOf(from, to, (round.recordBytes * round.records) / offsets);
  if (round.isStepped) return stretch(first, last);
  const edge = offsets * EDGE_SHARE;
  const from = marks.find(({ records }) => records >= first.records + edge) ?? first;
  const to = marks.find(({ records }) => records >= last.records - edge) ?? last;
  return to.atMs > from.atMs ? stretch(from, to) : stretch(first, last);
}
