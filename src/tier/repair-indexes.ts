/** Index files that fit a segment's data: those at hand when they do, else built anew from the batches. */

import { IndexCheck, type IndexContents } from "./index-check.ts";
import type { ArchivedSegment, IndexSuffix } from "./manifest.ts";
import type { ObjectBody } from "./ports.ts";
import { SegmentIndexer } from "./segment-cutting/segment-indexer.ts";
import { walkSegment } from "./segment-walk.ts";

/** Kafka's default of `index.interval.bytes`. */
const INDEX_INTERVAL_BYTES = 4_096;

/** Undefined when the transaction index is needed and cannot be had: transactions that began in earlier segments are not in the data.
 *  @throws {WireError} at bytes that are no batches @throws what the body throws */
export async function fittingIndexes(
  segment: ArchivedSegment,
  copy: { readonly log: ObjectBody; readonly indexes: () => Promise<IndexContents> },
): Promise<IndexContents | undefined> {
  const found = await copy.indexes();
  const check = new IndexCheck(segment.baseOffset, found);
  const indexer = new SegmentIndexer(
    { baseOffset: segment.baseOffset, earlierTransactions: [] },
    { indexIntervalBytes: INDEX_INTERVAL_BYTES },
  );
  await walkSegment(copy.log, (batch, position) => {
    check.add(batch, position);
    indexer.add(batch);
  });
  const wrong = check.findings();
  const built = indexer.files();
  const usable = (suffix: IndexSuffix): Buffer | undefined => (wrong.has(suffix) ? undefined : found[suffix]);
  const txnindex = usable("txnindex") ?? built.txnindex;
  if ((txnindex?.length ?? 0) !== segment.txnindexBytes) return undefined;
  return {
    index: usable("index") ?? built.index,
    timeindex: usable("timeindex") ?? built.timeindex,
    ...(txnindex === undefined ? {} : { txnindex }),
  };
}
