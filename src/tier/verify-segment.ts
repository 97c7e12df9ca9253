/** Checks one archived segment: that its objects are there in their sizes, and what is in them. */

import { WireError } from "../wire/errors.ts";
import type { BatchView } from "../wire/record-batch.ts";
import { StoreError } from "./errors.ts";
import { IndexCheck, type IndexContents } from "./index-check.ts";
import { type ArchivedSegment, type IndexSuffix, indexesOf } from "./manifest.ts";
import type { LeaderEpochStart, ObjectBody, ObjectStore } from "./ports.ts";
import { walkSegment } from "./segment-walk.ts";

/** Something that is not as it should be. */
export interface Finding {
  readonly key: string;
  readonly kind: /** A manifest that cannot be read, or that contradicts its predecessor. */
    | "bad-manifest"
    | "broken-chain"
    /** An object that a manifest names is not there, or has another size. */
    | "missing"
    | "wrong-size"
    /** The content is not what was archived. */
    | "wrong-content"
    /** An index that does not fit its data. */
    | "wrong-index"
    /** Offsets between two segments that no segment has. */
    | "gap"
    /** Data behind the archive's end that no manifest names. */
    | "unnamed"
    /** A store without any archive. */
    | "empty";
  readonly what: string;
}

/** Whether all objects of the segment are there in their sizes. @throws {StoreError} */
export async function verifySizes(segment: ArchivedSegment, store: ObjectStore): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [suffix, sizeBytes] of [["log", segment.logBytes] as const, ...indexesOf(segment)]) {
    const key = `${segment.key}.${suffix}`;
    const facts = await store.stat(key);
    if (facts?.sizeBytes === sizeBytes) continue;
    if (facts === undefined) findings.push({ key, kind: "missing", what: "named by the manifest and not there" });
    else findings.push({ key, kind: "wrong-size", what: `${facts.sizeBytes} bytes instead of ${sizeBytes}` });
  }
  return findings;
}

/** Reads all of the segment. @throws {StoreError} when the store cannot be asked */
export async function verifyContent(segment: ArchivedSegment, store: ObjectStore): Promise<readonly Finding[]> {
  const key = `${segment.key}.log`;
  const findings: Finding[] = [];
  const read = (start: number, endExclusive: number) => store.get(key, { start, endExclusive });
  const indexes = await readIndexes(segment, store, findings);
  try {
    const faults = await contradictions(segment, { sizeBytes: segment.logBytes, read }, indexes);
    findings.push(...faults.log.map((what): Finding => ({ key, kind: "wrong-content", what })));
    // Indexes are judged by the data, so only where the data is what it was.
    for (const [suffix, what] of faults.log.length > 0 ? [] : faults.indexes)
      findings.push({ key: `${segment.key}.${suffix}`, kind: "wrong-index", what });
  } catch (error) {
    if (error instanceof WireError) findings.push({ key, kind: "wrong-content", what: error.message });
    else if (isMissing(error)) findings.push({ key, kind: "missing", what: "gone while it was read" });
    else throw error;
  }
  return findings;
}

/** What of the segment's entry and indexes the data contradicts.
 *  @throws {WireError} at bytes that are no batches, or a batch whose CRC is wrong @throws what the body throws */
async function contradictions(
  segment: ArchivedSegment,
  log: ObjectBody,
  indexes: IndexContents,
): Promise<{ readonly log: readonly string[]; readonly indexes: ReadonlyMap<IndexSuffix, string> }> {
  const wrong: string[] = [];
  const check = new IndexCheck(segment.baseOffset, indexes);
  let records = 0;
  let next = segment.baseOffset;
  const walked = await walkSegment(log, (batch, position) => {
    batch.verifyCrc();
    if (batch.baseOffset < next) wrong.push(`a batch at offset ${batch.baseOffset} follows offset ${next - 1n}`);
    if (!isEpochOf(batch, segment.leaderEpochs))
      wrong.push(
        `the batch at offset ${batch.baseOffset} has epoch ${batch.leaderEpoch}, which the manifest does not name there`,
      );
    check.add(batch, position);
    next = batch.nextOffset;
    if (!batch.isControl) records += batch.recordCount;
  });
  if (walked.sha256 !== segment.logSha256) wrong.push(`SHA-256 is ${walked.sha256}, archived was ${segment.logSha256}`);
  else {
    if (walked.crc32c !== segment.logCrc32c)
      wrong.push(`CRC-32C is ${walked.crc32c}, archived was ${segment.logCrc32c}`);
    if (walked.trailingBytes > 0 || next !== segment.lastOffset + 1n || records !== segment.recordCount)
      wrong.push("the manifest tells other offsets or records than there are");
  }
  return { log: wrong.slice(0, FAULTS_MAX), indexes: check.findings() };
}

/** Faults told of one object; more say nothing new. */
const FAULTS_MAX = 5;

/** The index objects that have their size; the others were told of with the sizes. */
async function readIndexes(segment: ArchivedSegment, store: ObjectStore, findings: Finding[]): Promise<IndexContents> {
  const indexes: Partial<Record<IndexSuffix, Buffer>> = {};
  for (const [suffix, sizeBytes] of indexesOf(segment)) {
    const key = `${segment.key}.${suffix}`;
    try {
      const content = await store.get(key);
      if (content.length === sizeBytes) indexes[suffix] = content;
    } catch (error) {
      if (!isMissing(error)) throw error;
      findings.push({ key, kind: "missing", what: "gone while it was read" });
    }
  }
  return indexes;
}

/** "Each batch carries the epoch that the archive names for its offset." */
function isEpochOf(batch: BatchView, epochs: readonly LeaderEpochStart[]): boolean {
  const holding = epochs.findLast(({ startOffset }) => startOffset <= batch.baseOffset);
  return holding === undefined || holding.epoch === batch.leaderEpoch;
}

function isMissing(error: unknown): boolean {
  return error instanceof StoreError && error.fault.code === "STORE_MISSING";
}
