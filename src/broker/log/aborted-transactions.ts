/** The aborted transactions of a whole log, for fetches that read committed data.
 *
 *  A transaction may begin in one segment and be aborted in a much later one, so a search goes on to the end of the log unless
 *  an entry tells that nothing older was open. Entries stay in memory once read: 34 bytes for each aborted transaction that
 *  retention has left. */

import type { Storage } from "../../core/storage.ts";
import { type AbortedTransaction, type OffsetRange, TransactionIndex } from "../../wire/segment/transaction-index.ts";
import { offsetFileName, offsetInFileName } from "./file-names.ts";
import type { SegmentList } from "./segment-list.ts";

const SUFFIX = ".txnindex";

/** An index whose segment was moved to a cold store. */
interface ColdIndex {
  readonly baseOffset: bigint;
  readonly index: TransactionIndex;
}

/** Where a log's files are. */
export interface AbortedPlace {
  readonly storage: Storage;
  readonly directory: string;
  readonly segments: SegmentList;
}

/** Finds aborted transactions in local segments, and in the indexes that stay behind when a segment moves to a cold store. */
export class AbortedTransactions {
  readonly #place: AbortedPlace;
  #cold: readonly ColdIndex[];

  constructor(place: AbortedPlace) {
    this.#place = place;
    this.#cold = coldIndexes(place);
  }

  /** Transactions that touch the offsets of a fetch, in the order of their markers. As in Kafka the list may name some that
   *  begin behind the last batch returned, up to the next indexed one. */
  find(range: OffsetRange): readonly AbortedTransaction[] {
    const { segments } = this.#place;
    const found: AbortedTransaction[] = [];
    const bounded = { fromOffset: range.fromOffset, endOffset: segments.searchEnd(range.endOffset) };
    if (range.fromOffset < segments.first.baseOffset)
      for (const { index } of this.#cold) if (index.collect(bounded, found)) return found;
    for (let i = segments.indexOf(range.fromOffset); i < segments.length; i++)
      if (segments.at(i).aborted.collect(bounded, found)) return found;
    return found;
  }

  /** To be called after a segment went to a cold store, its index left behind. */
  reload(): void {
    this.#cold = coldIndexes(this.#place);
  }

  /** Removes indexes left behind that say nothing of offsets from `startOffset` on. */
  deleteBelow(startOffset: bigint): void {
    const { storage, directory } = this.#place;
    const isOver = ({ index }: ColdIndex): boolean => index.lastOffset < startOffset;
    for (const cold of this.#cold.filter(isOver))
      storage.remove(`${directory}/${offsetFileName(cold.baseOffset, SUFFIX)}`);
    this.#cold = this.#cold.filter((cold) => !isOver(cold));
  }
}

function coldIndexes({ storage, directory, segments }: AbortedPlace): readonly ColdIndex[] {
  return storage.list(directory).flatMap((name) => {
    const baseOffset = offsetInFileName(name, SUFFIX);
    if (baseOffset === undefined || baseOffset >= segments.first.baseOffset) return [];
    const index = TransactionIndex.parse(storage.readFile(`${directory}/${name}`), baseOffset);
    return index === undefined ? [] : [{ baseOffset, index }];
  });
}
