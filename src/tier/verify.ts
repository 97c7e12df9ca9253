/** Checks an archived partition against itself: the chain of manifests, that every object is there, and what is in them. */

import type { Random } from "../core/random.ts";
import { WireError } from "../wire/errors.ts";
import type { CatalogEntry } from "./catalog.ts";
import { ArchiveError, StoreError } from "./errors.ts";
import { type ArchivedSegment, decodeManifest, type Manifest, sha256 } from "./manifest.ts";
import type { ObjectStore } from "./ports.ts";
import { walkSegment } from "./segment-walk.ts";

/** Something that is not as it should be. */
export interface Finding {
  readonly key: string;
  readonly kind: /** A manifest that cannot be read, or whose predecessor is not the one it names. */
    | "bad-manifest"
    | "broken-chain"
    /** An object that a manifest names is not there, or has another size. */
    | "missing"
    | "wrong-size"
    /** The content is not what was archived. */
    | "wrong-content"
    /** Offsets between two segments that no segment has. */
    | "gap";
  readonly what: string;
}

/** What was found in one partition. */
export interface VerifyReport {
  /** Undefined when no manifest can be read. */
  readonly manifest: Manifest | undefined;
  readonly manifests: number;
  readonly segments: number;
  /** Segments whose content was read. */
  readonly segmentsRead: number;
  readonly bytesRead: number;
  readonly findings: readonly Finding[];
}

/** How much to read. */
export interface VerifyOptions {
  /** Share of the segments whose content is read, 0 to 1; sizes are always checked. */
  readonly share: number;
}

/** @throws {StoreError} when the store cannot be asked; what is wrong with the archive is in the report */
export async function verifyPartition(
  entry: CatalogEntry,
  options: VerifyOptions,
  deps: { readonly store: ObjectStore; readonly random: Random },
): Promise<VerifyReport> {
  const findings: Finding[] = [];
  const manifest = await verifyChain(entry.manifestKeys, deps.store, findings);
  let [segmentsRead, bytesRead] = [0, 0];
  let before: ArchivedSegment | undefined;
  for (const segment of manifest?.segments ?? []) {
    if (before !== undefined && segment.baseOffset > before.nextOffset) findings.push(gap(segment, before));
    before = segment;
    const isThere = await verifySizes(segment, deps.store, findings);
    if (!isThere || deps.random.next() >= options.share) continue;
    await verifyContent(segment, deps.store, findings);
    segmentsRead++;
    bytesRead += segment.logBytes;
  }
  const { length: manifests } = entry.manifestKeys;
  return { manifest, manifests, segments: manifest?.segments.length ?? 0, segmentsRead, bytesRead, findings };
}

/** Every manifest names the one before it by its hash; of the oldest that is kept, the one before may be gone. */
async function verifyChain(
  keys: readonly string[],
  store: ObjectStore,
  findings: Finding[],
): Promise<Manifest | undefined> {
  let newest: Manifest | undefined;
  let before: string | undefined;
  for (const key of keys) {
    const bytes = await store.get(key);
    try {
      newest = decodeManifest(key, bytes);
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      findings.push({ key, kind: "bad-manifest", what: error.message });
      before = undefined;
      continue;
    }
    const { previousSha256 } = newest;
    if (before !== undefined && previousSha256 !== before)
      findings.push({
        key,
        kind: "broken-chain",
        what: `names ${previousSha256} as its predecessor, which is ${before}`,
      });
    before = sha256(bytes);
  }
  return newest;
}

function gap(segment: ArchivedSegment, before: ArchivedSegment): Finding {
  const what = `offsets ${before.nextOffset} to ${segment.baseOffset - 1n} are in no segment`;
  return { key: segment.key, kind: "gap", what };
}

/** False when the data object is not there as it should be. */
async function verifySizes(segment: ArchivedSegment, store: ObjectStore, findings: Finding[]): Promise<boolean> {
  const wanted: readonly (readonly [suffix: string, sizeBytes: number])[] = [
    ["log", segment.logBytes],
    ["index", segment.indexBytes],
    ["timeindex", segment.timeindexBytes],
    ...(segment.txnindexBytes === 0 ? [] : [["txnindex", segment.txnindexBytes] as const]),
  ];
  let isThere = true;
  for (const [suffix, sizeBytes] of wanted) {
    const key = `${segment.key}.${suffix}`;
    const facts = await store.stat(key);
    if (facts?.sizeBytes === sizeBytes) continue;
    if (suffix === "log") isThere = false;
    if (facts === undefined) findings.push({ key, kind: "missing", what: "named by the manifest and not there" });
    else findings.push({ key, kind: "wrong-size", what: `${facts.sizeBytes} bytes instead of ${sizeBytes}` });
  }
  return isThere;
}

async function verifyContent(segment: ArchivedSegment, store: ObjectStore, findings: Finding[]): Promise<void> {
  const key = `${segment.key}.log`;
  const wrong = (what: string): void => void findings.push({ key, kind: "wrong-content", what });
  let records = 0;
  let next = segment.baseOffset;
  const read = (start: number, endExclusive: number) => store.get(key, { start, endExclusive });
  try {
    const walked = await walkSegment({ sizeBytes: segment.logBytes, read }, (batch) => {
      batch.verifyCrc();
      if (batch.baseOffset < next) wrong(`a batch at offset ${batch.baseOffset} follows offset ${next - 1n}`);
      next = batch.nextOffset;
      if (!batch.isControl) records += batch.recordCount;
    });
    if (walked.sha256 !== segment.logSha256) wrong(`SHA-256 is ${walked.sha256}, archived was ${segment.logSha256}`);
    else if (walked.trailingBytes > 0 || next !== segment.lastOffset + 1n || records !== segment.recordCount)
      wrong("the manifest tells other offsets or records than there are");
  } catch (error) {
    if (error instanceof WireError) wrong(error.message);
    else if (error instanceof StoreError && error.fault.code === "STORE_MISSING") wrong("gone while it was read");
    else throw error;
  }
}
