/** One offset map out of whatever chunks the topic holds, even when several workers, some of them stale, wrote them.
 *
 *  Nobody coordinates the writers, so the rule must make every order of writes safe:
 *
 *  - Chunks are written from acked data only, and a map is a function of the two logs. So two workers that map the same
 *    stretch write the same runs; a *complete* block, once written, is written again only with the same content.
 *  - The growing end has one key of its own, `tail`. A stale worker can overwrite it with an older, shorter form. That loses
 *    runs, never invents any: what is missing at the map's end is found again from the logs at takeover.
 *  - The one way for two forms to disagree is that the target lost records (an unclean election) between them. Each chunk names
 *    the target leader epoch that acked its last run: a lower epoch yields to a higher, and `OffsetMap.epochEnds` lets takeover
 *    ask the target whether a stretch written under an old epoch still stands.
 *
 *  Therefore: take chunks by number while each begins exactly where the one before ends; at the first that does not, stop. A
 *  map that ends early costs a longer walk; one with a hole in it would translate wrongly. */

import type { MapChunk } from "./map-chunk.ts";
import { OffsetMap } from "./offset-map.ts";
import type { RunBlock } from "./offset-map-block.ts";

/** A chunk with the key it was found under. */
export interface KeyedChunk extends MapChunk {
  readonly isTail: boolean;
}

/** The map that the chunks prove, in any order given; undefined when there are none. Chunks that end at or below
 *  `sourceFloor` were trimmed away once (a stale worker may have written one again) and do not count. */
export function mergeMapChunks(chunks: readonly KeyedChunk[], sourceFloor = 0): OffsetMap | undefined {
  const kept: KeyedChunk[] = [];
  const wanted = chunks.filter((chunk) => chunk.isTail || chunk.block.sourceEnd > sourceFloor);
  for (const chunk of wanted.sort(byNumber)) {
    const before = kept.at(-1);
    if (before === undefined || before.block.number === chunk.block.number) {
      kept.splice(Math.max(0, kept.length - 1), 1, before === undefined ? chunk : further(before, chunk));
    } else if (follows(before.block, chunk.block)) {
      kept.push(chunk);
    } else {
      break;
    }
  }
  const last = kept.at(-1);
  if (last === undefined) return undefined;
  const map = OffsetMap.fromBlocks(
    kept.map((chunk) => chunk.block),
    last.next,
  );
  map.trimBefore(BigInt(sourceFloor));
  return map;
}

/** The complete form before the tail of the same number. */
function byNumber(a: KeyedChunk, b: KeyedChunk): number {
  return a.block.number - b.block.number || Number(a.isTail) - Number(b.isTail);
}

/** Of two forms of one block, the one acked under the higher epoch, then the one that reaches further. */
function further(a: KeyedChunk, b: KeyedChunk): KeyedChunk {
  const order =
    a.block.targetEpoch - b.block.targetEpoch || a.block.end.count - b.block.end.count || a.next.source - b.next.source;
  return order > 0 ? a : b;
}

/** The count may jump where records landed twice; the offsets may not. */
function follows(before: RunBlock, block: RunBlock): boolean {
  return (
    block.number === before.number + 1 &&
    block.from.source === before.sourceEnd &&
    block.from.target === before.targetEnd &&
    block.from.count >= before.end.count &&
    block.targetEpoch >= before.targetEpoch
  );
}
