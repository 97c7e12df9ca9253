/** What a lane has seen in its source of the records that the lane the other way wrote there. Where both sides write one topic, that
 *  bounds where copies can lie that the other lane does not know of yet, because their acks are still on the way. */

import type { OffsetMap } from "./offset-map.ts";

/** Watches one lane; kept in memory only, and begun anew with every takeover. */
export class LoopWatch {
  #from: bigint | undefined;
  #lastNext = 0n;

  /** From this source offset on, the lane sees every batch. */
  begin(sourceNext: bigint): void {
    this.#from = sourceNext;
    this.#lastNext = 0n;
  }

  /** The lane passes over a batch that another lane wrote, up to this offset. */
  note(nextOffset: bigint): void {
    this.#lastNext = nextOffset;
  }

  /** The first source offset at or after `offset` where the other lane may have written, by what this lane has seen; all up to there
   *  are records that were written in the source itself, or no copies for certain. Never beyond what the lane has come to. */
  foreignFrom(offset: bigint, map: Pick<OffsetMap, "around" | "progress">): bigint {
    const { sourceNext } = map.progress;
    if (offset >= sourceNext) return offset;
    if (this.#hasSeen(offset)) return sourceNext;
    const covered = coveredTo(offset, map);
    return this.#hasSeen(covered) ? sourceNext : covered;
  }

  /** True when every batch from there on was seen, and none of them was the other lane's. */
  #hasSeen(offset: bigint): boolean {
    return this.#from !== undefined && offset >= this.#from && this.#lastNext <= offset;
  }
}

/** The end of the records that this lane carried over, one after another, from the offset on. */
function coveredTo(offset: bigint, map: Pick<OffsetMap, "around">): bigint {
  for (let at = offset; ; ) {
    const { run } = map.around(at);
    if (run === undefined || run.sourceStart > at) return at;
    at = run.sourceStart + BigInt(run.length);
  }
}
