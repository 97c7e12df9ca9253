/** The records of a segment that a consumer with `read_committed` sees. */

import { transactionEndIn } from "../../wire/control-batch.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import { type DecodedRecord, decodeRecords } from "../../wire/records.ts";
import { type AbortedTransaction, TransactionIndex } from "../../wire/segment/transaction-index.ts";
import { archiveFailure } from "../archive-failure.ts";
import type { ArchivedSegment } from "../manifest.ts";
import { OpenTransactions } from "../open-transactions.ts";
import type { ObjectStore } from "../ports.ts";
import { walkSegment } from "../segment-walk.ts";

/** Aborted transactions that touch a segment; `undecided` when the archive ends before the marker of one of them. */
export type Outcome =
  | { readonly kind: "decided"; readonly aborted: readonly AbortedTransaction[] }
  | { readonly kind: "undecided" };

/** Where the manifest does not tell which transactions are open, so many segments are looked through for their ends. */
const UNKNOWN_SEGMENTS_MAX = 256;

/** The segments after the one at `at` that `outcomeOf` may need: up to the one in which the last of its transactions ends. */
export function decidingSegments(segments: readonly ArchivedSegment[], at: number): readonly ArchivedSegment[] {
  const nextOffset = segments[at]?.nextOffset ?? 0n;
  const isDecidedAt = (segment: ArchivedSegment | undefined): boolean =>
    segment?.openTransactions?.some(({ firstOffset }) => firstOffset < nextOffset) === false;
  let end = at;
  while (end < segments.length - 1 && end - at < UNKNOWN_SEGMENTS_MAX && !isDecidedAt(segments[end])) end++;
  return segments.slice(at + 1, end + 1);
}

/** Reads the segment's transaction index, and goes on through later segments until all its transactions have ended.
 *  @throws {StoreError | WireError} @throws {ArchiveError} `ARCHIVE_CORRUPT` */
export async function outcomeOf(
  segment: ArchivedSegment,
  later: readonly ArchivedSegment[],
  store: ObjectStore,
): Promise<Outcome> {
  const aborted: AbortedTransaction[] = [];
  const range = { fromOffset: segment.baseOffset, endOffset: segment.nextOffset };
  let open = await openAfter(segment, [], store);
  await collectAborted(segment, range, { aborted, store });
  for (const next of later) {
    // Those that began later are decided with later files.
    const ours = open.filter(({ firstOffset }) => firstOffset < segment.nextOffset);
    if (ours.length === 0) return { kind: "decided", aborted };
    await collectAborted(next, range, { aborted, store });
    open = await openAfter(next, open, store);
  }
  const isOver = !open.some(({ firstOffset }) => firstOffset < segment.nextOffset);
  return isOver ? { kind: "decided", aborted } : { kind: "undecided" };
}

/** Transactions that no marker up to the segment's end decides; from the data where the manifest does not tell. */
async function openAfter(segment: ArchivedSegment, before: readonly AbortedTransaction[], store: ObjectStore) {
  if (segment.openTransactions !== undefined) return segment.openTransactions;
  const transactions = new OpenTransactions(before);
  const read = (start: number, endExclusive: number) => store.get(`${segment.key}.log`, { start, endExclusive });
  await walkSegment({ sizeBytes: segment.logBytes, read }, (batch) => transactions.see(batch));
  return transactions.list;
}

async function collectAborted(
  segment: ArchivedSegment,
  range: { readonly fromOffset: bigint; readonly endOffset: bigint },
  { aborted, store }: { readonly aborted: AbortedTransaction[]; readonly store: ObjectStore },
): Promise<void> {
  if (segment.txnindexBytes === 0) return;
  const key = `${segment.key}.txnindex`;
  const index = TransactionIndex.parse(await store.get(key), segment.baseOffset);
  // What it does not name would count as committed.
  if (index === undefined || index.sizeBytes !== segment.txnindexBytes)
    throw archiveFailure({ code: "ARCHIVE_CORRUPT", key, what: "it is cut or no such file" });
  index.collect(range, aborted);
}

/** Leaves out control batches, and the batches of aborted transactions as a consumer does: from a transaction's first offset until its
 *  marker. */
export class CommittedFilter {
  readonly #aborted: readonly AbortedTransaction[];
  readonly #aborting = new Set<bigint>();
  #at = 0;

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#aborted = aborted.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  }

  /** The records of the next batch that count. @throws {WireError} */
  recordsOf(batch: BatchView): readonly DecodedRecord[] {
    for (
      let next = this.#aborted[this.#at];
      next !== undefined && next.firstOffset <= batch.lastOffset;
      next = this.#aborted[++this.#at]
    )
      this.#aborting.add(next.producerId);
    if (batch.isControl) {
      if (transactionEndIn(batch) === "abort") this.#aborting.delete(batch.producerId);
      return [];
    }
    return batch.isTransactional && this.#aborting.has(batch.producerId) ? [] : decodeRecords(batch);
  }
}
