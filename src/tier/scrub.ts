/** Reads archives through, segment by segment, for as long as a budget lasts, and goes on where it was: over days everything is read.
 *
 *  "A scrub remembers where it was": the place is an object of the store, so that it outlives whoever scrubs. */

import { type CatalogEntry, readCatalog } from "./catalog.ts";
import { StoreError } from "./errors.ts";
import { lostNames } from "./lost-names.ts";
import type { ArchivedSegment } from "./manifest.ts";
import { verifyChain } from "./manifest-chain.ts";
import { twentyDigits } from "./object-key.ts";
import type { ObjectStore } from "./ports.ts";
import { isNamed, verifySegment } from "./verify.ts";
import type { Finding } from "./verify-segment.ts";

/** Where the last scrub stopped; no key of an archive. */
const PLACE_KEY = "scrub/place.json";

/** Of a chain, only the latest are read: each names all segments, and a scrub looks at them in every run. */
const MANIFESTS_MAX = 10;

/** What one run of a scrub did. */
export interface ScrubReport {
  readonly segments: number;
  readonly bytes: number;
  /** True when the last segment of the store was reached: the next run begins anew. */
  readonly isRoundOver: boolean;
  readonly findings: readonly Finding[];
}

/** How much to read. */
export interface ScrubOptions {
  /** The segment that reaches it is the last one, so that a run always gets on. */
  readonly bytesMax: number;
  /** Called with what was read of each segment; the next one waits for it. */
  readonly pace?: ((bytes: number) => Promise<void>) | undefined;
  /** Milliseconds since the epoch, to tell an upload under way from one that lost its name. */
  readonly nowMs: number;
}

/** Goes on where the last run stopped. @throws {StoreError} when the store cannot be asked; what is wrong is in the report */
export async function scrub(store: ObjectStore, options: ScrubOptions): Promise<ScrubReport> {
  const findings: Finding[] = [];
  let [segments, bytes] = [0, 0];
  const after = await readPlace(store);
  for (const entry of await readCatalog(store)) {
    if (after !== undefined && placeOf(entry, undefined) < after.slice(0, entry.prefix.length)) continue;
    const manifestKeys = entry.manifestKeys.slice(-MANIFESTS_MAX);
    const chain = await verifyChain({ ...entry, manifestKeys }, store);
    const lost = await lostNames(entry, chain.newest?.manifest, { store, nowMs: options.nowMs });
    findings.push(...chain.findings, ...lost);
    for (const segment of chain.newest?.manifest.segments ?? []) {
      const place = placeOf(entry, segment);
      if (after !== undefined && place <= after) continue;
      const found = await verifySegment(segment, true, store);
      if (found.findings.length > 0 && (await isNamed(segment, entry, store))) findings.push(...found.findings);
      segments++;
      bytes += found.isRead ? segment.logBytes : 0;
      await options.pace?.(segment.logBytes);
      if (bytes >= options.bytesMax) {
        await store.put(PLACE_KEY, Buffer.from(`${JSON.stringify({ after: place })}\n`));
        return { segments, bytes, isRoundOver: false, findings };
      }
    }
  }
  await store.remove(PLACE_KEY);
  return { segments, bytes, isRoundOver: true, findings };
}

/** In the order of the catalog, and of the segments in it. */
function placeOf({ prefix }: CatalogEntry, segment: ArchivedSegment | undefined): string {
  return segment === undefined ? prefix : `${prefix}${twentyDigits(segment.baseOffset)}`;
}

/** Undefined at the beginning of a round; a place that cannot be read begins one too. */
async function readPlace(store: ObjectStore): Promise<string | undefined> {
  try {
    const place = JSON.parse(String(await store.get(PLACE_KEY))) as { readonly after?: unknown };
    return typeof place.after === "string" ? place.after : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    if (error instanceof StoreError && error.fault.code === "STORE_MISSING") return undefined;
    throw error;
  }
}
