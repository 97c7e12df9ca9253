/** Decides for single records whether they are copied, and which of their headers go along. A decision depends on nothing but
 *  the record, its offset and the rules, so that every worker, and every later walk, decides alike. */

import {
  compileHeader,
  compileText,
  type HeaderPattern,
  type RecordFilter,
  SAMPLE_ALL_PPM,
  type TextPattern,
  type TextSelection,
} from "../topology/record-filter.ts";
import type { DecodedRecord, RecordHeader } from "../wire/records.ts";
import { MirrorError } from "./errors.ts";

/** Why a record is left out. */
export type FilterReason = "key" | "keyless" | "header" | "tombstone" | "sample";

/** A compiled filter. */
export interface Filter {
  /** As declared; equal text means equal decisions. */
  readonly text: string;
  /** Why a record of the batch that begins at `baseOffset` is not copied; undefined when it is. */
  rejects(record: DecodedRecord, baseOffset: bigint): FilterReason | undefined;
  /** Whether a header is taken off; undefined when none ever is. */
  readonly dropsHeader: ((name: string) => boolean) | undefined;
}

/** Compiles a declaration; undefined when it leaves everything as it is.
 *  @throws {MirrorError} `FILTER_INVALID` for a pattern that cannot be read */
export function compileFilter(declared: RecordFilter): Filter | undefined {
  const text = canonicalText(declared);
  if (text === "{}") return undefined;
  const keys = declared.keys && compiled(declared.keys, compileText);
  const headers = declared.headers && compiled(declared.headers, compileHeader);
  const dropped = declared.dropHeaders?.map((pattern) => usable(compileText(pattern)));
  const { skipTombstones, skipKeyless, samplePpm = SAMPLE_ALL_PPM } = declared;
  const limit = (samplePpm / SAMPLE_ALL_PPM) * 2 ** 32;
  return {
    text,
    rejects: (record, baseOffset) => {
      if (skipKeyless && record.key === null) return "keyless";
      if (skipTombstones && record.value === null) return "tombstone";
      if (keys !== undefined && !selectsKey(keys, record.key)) return "key";
      if (headers !== undefined && !selectsHeaders(headers, record.headers)) return "header";
      return samplePpm < SAMPLE_ALL_PPM && hashOf(record, baseOffset) >= limit ? "sample" : undefined;
    },
    dropsHeader: dropped && ((name) => dropped.some((matches) => matches(name))),
  };
}

/** The declaration as JSON with its keys in a fixed order and without what has no effect. */
function canonicalText({ keys, headers, ...rest }: RecordFilter): string {
  return JSON.stringify({
    keys: effective(keys),
    headers: effective(headers),
    skipTombstones: rest.skipTombstones || undefined,
    skipKeyless: rest.skipKeyless || undefined,
    samplePpm: rest.samplePpm === SAMPLE_ALL_PPM ? undefined : rest.samplePpm,
    dropHeaders: rest.dropHeaders?.length ? rest.dropHeaders : undefined,
  });
}

function effective(selection: TextSelection | undefined): TextSelection | undefined {
  if (selection === undefined || selection.include.length + selection.exclude.length === 0) return undefined;
  return { include: selection.include, exclude: selection.exclude };
}

interface Compiled<P> {
  readonly include: readonly P[];
  readonly exclude: readonly P[];
}

function compiled<P>(
  { include, exclude }: TextSelection,
  compile: (text: string) => P | { readonly problem: string },
): Compiled<P> {
  const each = (texts: readonly string[]): readonly P[] => texts.map((text) => usable(compile(text)));
  return { include: each(include), exclude: each(exclude) };
}

function usable<P>(result: P | { readonly problem: string }): P {
  if (typeof result === "object" && result !== null && "problem" in result)
    throw new MirrorError({ code: "FILTER_INVALID", what: result.problem });
  return result;
}

function selectsKey({ include, exclude }: Compiled<TextPattern>, key: Buffer | null): boolean {
  if (key === null) return include.length === 0;
  const text = key.toString("utf8");
  if (exclude.some((matches) => matches(text))) return false;
  return include.length === 0 || include.some((matches) => matches(text));
}

function selectsHeaders({ include, exclude }: Compiled<HeaderPattern>, headers: readonly RecordHeader[]): boolean {
  const has = (pattern: HeaderPattern): boolean => headers.some((header) => matchesHeader(pattern, header));
  return !exclude.some(has) && (include.length === 0 || include.some(has));
}

function matchesHeader({ name, value }: HeaderPattern, header: RecordHeader): boolean {
  if (!name(header.key)) return false;
  return value === undefined || (header.value !== null && value(header.value.toString("utf8")));
}

function hashOf({ key, offsetDelta }: DecodedRecord, baseOffset: bigint): number {
  return sampleHash(key, key === null ? baseOffset + BigInt(offsetDelta) : 0n);
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const offsetBytes = Buffer.alloc(8);

/** 32 bits of a record's key, or of its offset where it has none: FNV-1a, mixed at the end as MurmurHash3 does, because FNV
 *  alone leaves the upper bits of short keys nearly equal. Must never change: lanes' pasts are counted by it. */
export function sampleHash(key: Buffer | null, offset: bigint): number {
  let bytes = key;
  if (bytes === null) {
    offsetBytes.writeBigInt64BE(offset);
    bytes = offsetBytes;
  }
  let hash = FNV_OFFSET;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), FNV_PRIME);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The filter that a canonical text stands for; undefined for text that this version does not understand. */
export function filterOf(text: string): Filter | undefined {
  try {
    const filter = compileFilter(JSON.parse(text) as RecordFilter);
    return filter?.text === text ? filter : undefined;
  } catch {
    return undefined;
  }
}
