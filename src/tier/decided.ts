/** How far an archive decides its transactions: what lies behind the first open one cannot be told from aborted records.
 *
 *  Holds the invariant "No reader of an archive takes an aborted record for a committed one": segments are archived once their
 *  transactions are decided, but the markers may lie in later segments, which are not archived yet. */

import type { ArchivedSegment, Manifest, OpenTransaction } from "./manifest.ts";
import { OpenTransactions } from "./open-transactions.ts";
import type { ObjectStore } from "./ports.ts";
import { walkSegment } from "./segment-walk.ts";

/** What is known of an archive's transactions. */
export interface Decided {
  /** The offset up to which somebody looked; short of the archive's end where its manifest does not tell and the data were not walked. */
  readonly lookedTo: bigint;
  /** Without a marker below `lookedTo`, in the order of their first offsets. */
  readonly open: readonly OpenTransaction[];
}

/** What the manifest alone tells, and a walk over part of its data before. Archives of earlier versions tell nothing. */
export function decidedBy({ segments }: Pick<Manifest, "segments">, walked?: Decided): Decided {
  const told = segments.findLast(({ openTransactions }) => openTransactions !== undefined);
  const lookedTo = told?.nextOffset ?? segments[0]?.baseOffset ?? 0n;
  if (walked !== undefined && walked.lookedTo >= lookedTo) return walked;
  return { lookedTo, open: told?.openTransactions ?? [] };
}

/** The segment whose data have to be walked to know more; undefined when everything is known. */
export function nextToWalk(
  { segments }: Pick<Manifest, "segments">,
  { lookedTo }: Decided,
): ArchivedSegment | undefined {
  return segments.find(({ nextOffset }) => nextOffset > lookedTo);
}

/** What is known with that segment's data, all of which are read, a part at a time. @throws {StoreError | WireError} */
export async function walkOver(segment: ArchivedSegment, known: Decided, store: ObjectStore): Promise<Decided> {
  const { key, nextOffset, logBytes } = segment;
  const open = new OpenTransactions(known.open);
  const read = (start: number, endExclusive: number) => store.get(`${key}.log`, { start, endExclusive });
  await walkSegment({ sizeBytes: logBytes, read }, (batch) => open.see(batch));
  return { lookedTo: nextOffset, open: open.list };
}

/** The archive's last stable offset: all transactions with records below it are decided. */
export function stableOffsetOf({ lookedTo, open }: Decided): bigint {
  return open[0]?.firstOffset ?? lookedTo;
}
