/** Index files that fit a segment's data: those at hand when they do, else built anew from the batches. */

import { StoreError } from "./errors.ts";
import { IndexCheck, type IndexContents } from "./index-check.ts";
import type { ArchivedSegment, IndexSuffix, OpenTransaction } from "./manifest.ts";
import type { ObjectBody, ObjectStore } from "./ports.ts";
import { SegmentIndexer } from "./segment-cutting/segment-indexer.ts";
import { walkSegment } from "./segment-walk.ts";

/** Kafka's default of `index.interval.bytes`. */
const INDEX_INTERVAL_BYTES = 4_096;

/** `openBefore`: what is open where the segment begins; undefined when nobody knows. Undefined when the transaction index is needed and
 *  cannot be had: where transactions that began in earlier segments begin is not in the data.
 *  @throws {WireError} at bytes that are no batches @throws what the body throws */
export async function fittingIndexes(
  segment: ArchivedSegment,
  openBefore: readonly OpenTransaction[] | undefined,
  copy: { readonly log: ObjectBody; readonly indexes: () => Promise<IndexContents> },
): Promise<IndexContents | undefined> {
  const found = await copy.indexes();
  const check = new IndexCheck(segment.baseOffset, found);
  const indexer = new SegmentIndexer(
    { baseOffset: segment.baseOffset, earlierTransactions: openBefore ?? [] },
    { indexIntervalBytes: INDEX_INTERVAL_BYTES },
  );
  await walkSegment(copy.log, (batch, position) => {
    check.add(batch, position);
    indexer.add(batch);
  });
  const wrong = check.findings();
  const built = indexer.files();
  const usable = (suffix: IndexSuffix): Buffer | undefined => (wrong.has(suffix) ? undefined : found[suffix]);
  const txnindex = usable("txnindex") ?? (openBefore === undefined ? undefined : built.txnindex);
  if ((txnindex?.length ?? 0) !== segment.txnindexBytes) return undefined;
  return {
    index: usable("index") ?? built.index,
    timeindex: usable("timeindex") ?? built.timeindex,
    ...(txnindex === undefined ? {} : { txnindex }),
  };
}

/** The index objects that are there; whether they fit is not looked at. @throws {StoreError} */
export async function indexesBeside(key: string, store: ObjectStore): Promise<IndexContents> {
  const indexes: Partial<Record<IndexSuffix, Buffer>> = {};
  for (const suffix of ["index", "timeindex", "txnindex"] as const) {
    try {
      indexes[suffix] = await store.get(`${key}.${suffix}`);
    } catch (error) {
      if (!(error instanceof StoreError) || error.fault.code !== "STORE_MISSING") throw error;
    }
  }
  return indexes;
}
