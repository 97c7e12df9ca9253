/** Checks an archived partition against itself: the chain of manifests, that every object is there, and what is in them. */

import type { Random } from "../core/random.ts";
import type { CatalogEntry } from "./catalog.ts";
import { lostNames } from "./lost-names.ts";
import type { ArchivedSegment, Manifest } from "./manifest.ts";
import { verifyChain } from "./manifest-chain.ts";
import type { ObjectStore } from "./ports.ts";
import { type Finding, verifyContent, verifySizes } from "./verify-segment.ts";

/** What was found in one partition. */
export interface VerifyReport {
  /** The newest that can be read; undefined when there is none. */
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
  /** Called with what was read of each segment; the next one waits for it. */
  readonly pace?: ((bytes: number) => Promise<void>) | undefined;
  /** Milliseconds since the epoch, to tell an upload under way from one that lost its name. */
  readonly nowMs: number;
}

/** @throws {StoreError} when the store cannot be asked; what is wrong with the archive is in the report */
export async function verifyPartition(
  entry: CatalogEntry,
  options: VerifyOptions,
  deps: { readonly store: ObjectStore; readonly random: Random },
): Promise<VerifyReport> {
  const chain = await verifyChain(entry, deps.store);
  const findings: Finding[] = [...chain.findings];
  let [segmentsRead, bytesRead] = [0, 0];
  const segments = chain.newest?.manifest.segments ?? [];
  for (const segment of segments) {
    const found = await verifySegment(segment, deps.random.next() < options.share, deps.store);
    if (found.isRead) {
      segmentsRead++;
      bytesRead += segment.logBytes;
      await options.pace?.(segment.logBytes);
    }
    // What was taken out meanwhile may be gone.
    if (found.findings.length > 0 && (await isNamed(segment, entry, deps.store))) findings.push(...found.findings);
  }
  findings.push(...(await lostNames(entry, chain.newest?.manifest, { store: deps.store, nowMs: options.nowMs })));
  const { length: manifests } = entry.manifestKeys;
  return {
    manifest: chain.newest?.manifest,
    manifests,
    segments: segments.length,
    segmentsRead,
    bytesRead,
    findings: [...findings, ...gapsBetween(segments)],
  };
}

/** Sizes always; the content when asked for and there in its size. @throws {StoreError} */
export async function verifySegment(
  segment: ArchivedSegment,
  withContent: boolean,
  store: ObjectStore,
): Promise<{ readonly findings: readonly Finding[]; readonly isRead: boolean }> {
  const sizes = await verifySizes(segment, store);
  const isRead = withContent && !sizes.some(({ key }) => key === `${segment.key}.log`);
  return { findings: isRead ? [...sizes, ...(await verifyContent(segment, store))] : sizes, isRead };
}

/** True unless the newest manifest no longer names the segment: retention may take one out while it is looked at.
 *  @throws {StoreError} */
export async function isNamed(segment: ArchivedSegment, entry: CatalogEntry, store: ObjectStore): Promise<boolean> {
  const manifestKeys = await store.list(`${entry.prefix}manifest/`);
  if (manifestKeys.at(-1) === entry.manifestKeys.at(-1)) return true;
  const { newest } = await verifyChain({ ...entry, manifestKeys: manifestKeys.slice(-1) }, store);
  return newest === undefined || newest.manifest.segments.some(({ key }) => key === segment.key);
}

function gapsBetween(segments: readonly ArchivedSegment[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [at, segment] of segments.entries()) {
    const before = segments[at - 1];
    if (before === undefined || segment.baseOffset <= before.nextOffset) continue;
    const what = `offsets ${before.nextOffset} to ${segment.baseOffset - 1n} are in no segment`;
    findings.push({ key: segment.key, kind: "gap", what });
  }
  return findings;
}
