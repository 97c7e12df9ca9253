/** What is measured: our own ways through an archive, and the plainest ways in which the same bytes could go. */

import { copyFile, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { crc32cText } from "../../../src/adapters/s3/s3-session.ts";
import type { BrokerEndpoint } from "../../../src/broker/embedded-region.ts";
import { boundHeap } from "../../../src/runtime/heap-bounds.ts";
import { openStore } from "../../../src/runtime/open-store.ts";
import { ColdReader } from "../../../src/tier/cold-reader.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import type { ObjectStore } from "../../../src/tier/ports.ts";
import { plainRestore, type ReadRange, restore } from "./restores.ts";
import { fileSource, partitionOfRound, readFrom, type SegmentFile } from "./segments.ts";

/** Names of contenders, as the table shows them. */
export const TITLES = {
  offload: "offload: upload, read back, publish",
  "sdk-upload": "multipart upload by the SDK",
  "file-copy": "copy of the files",
  "cold-read": "cold read, from the first offset to the last",
  "sdk-download": "download by the SDK",
  "file-read": "read of the files",
  restore: "restore into a region",
  "sdk-restore": "download by the SDK, plain produce",
  "file-restore": "read of the files, plain produce",
  "cold-fetch": "one cold fetch of 1 MiB at a random offset",
} as const;

/** One of them. */
export type ContenderName = keyof typeof TITLES;

/** What contenders work with; the process that measures gets it as JSON. */
export interface Place {
  /** `s3` or `file`. */
  readonly kind: "s3" | "file";
  /** As a topology declares it. */
  readonly store: string;
  readonly endpoint: string | undefined;
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  readonly bucket: string;
  /** Where copies of files go. */
  readonly directory: string;
  readonly segments: readonly SegmentFile[];
  /** Of the region that is restored into. */
  readonly bootstrap: readonly BrokerEndpoint[];
}

/** What one round moved; times of single fetches where these are what counts. */
export interface Moved {
  readonly bytes: number;
  readonly fetchesMs?: readonly number[];
  /** What is left to do and not part of the round. */
  readonly tidy?: () => Promise<void>;
}

/** One contender, ready: each call is a round. */
export type Contender = (round: number) => Promise<Moved>;

/** As our own uploads do it. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_IN_FLIGHT = 4;
/** As our own reader does it. */
const RANGE_BYTES = 4 * 1024 * 1024;
/** What a broker asks for. */
const FETCH_BYTES = 1024 * 1024;
const FETCHES = 60;

/** Opens what the contender needs. */
export async function openContender(name: ContenderName, place: Place): Promise<Contender> {
  switch (name) {
    case "offload":
      return offload(place, await ownStore(place));
    case "cold-read":
      return coldRead(place, await ownStore(place));
    case "cold-fetch":
      return coldFetch(place, await ownStore(place));
    case "restore":
      return restore(place, await ownStore(place));
    case "sdk-restore":
      return plainRestore(place, sdkRange(place, await sdkOf(place)));
    case "file-restore":
      return plainRestore(place, (at, ...range) => readFrom(`${place.segments[at]?.path}.log`, ...range));
    case "sdk-upload":
      return sdkUpload(place, await sdkOf(place));
    case "sdk-download":
      return sdkDownload(place, await sdkOf(place));
    case "file-copy":
      return fileCopy(place);
    default:
      return fileRead(place);
  }
}

/** In a process like that of the commands. */
function ownStore({ store, endpoint, keys, directory }: Place): Promise<ObjectStore> {
  const s3 = endpoint === undefined || keys === undefined ? undefined : { endpoint, ...keys };
  const deps = { clock: nodeClock(), random: nodeRandom(), statePath: directory };
  boundHeap();
  return openStore({ store, s3 }, deps);
}

const total = (segments: readonly SegmentFile[]): number => segments.reduce((sum, one) => sum + one.sizeBytes, 0);

function offload({ segments }: Place, store: ObjectStore): Contender {
  const policy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;
  return async (round) => {
    const source = fileSource(segments, partitionOfRound(round));
    const deps = { source, store, clock: nodeClock(), random: nodeRandom() };
    const { bytesOffloaded, segmentsDropped } = await offloadOnce(policy, () => true, deps);
    if (segmentsDropped !== segments.length) throw new Error("not every segment was archived");
    return { bytes: bytesOffloaded };
  };
}

function coldRead({ segments }: Place, store: ObjectStore): Contender {
  const end = segments.at(-1)?.nextOffset ?? 0n;
  return async (round) => {
    const reader = new ColdReader({ store, clock: nodeClock() });
    let bytes = 0;
    for (let offset = 0n; offset < end; ) {
      const read = await reader.read({ partition: partitionOfRound(round), offset, maxBytes: FETCH_BYTES });
      if (read === undefined) throw new Error(`nothing at offset ${offset}`);
      bytes += read.bytes.length;
      offset = read.nextOffset;
    }
    return { bytes };
  };
}

/** The reader knows the manifest, as a broker does, and nothing of the data. */
function coldFetch({ segments }: Place, store: ObjectStore): Contender {
  const end = Number(segments.at(-1)?.nextOffset ?? 0n);
  return async (round) => {
    const partition = partitionOfRound(round);
    const fetchesMs: number[] = [];
    let bytes = 0;
    for (let i = 0; i < FETCHES; i++) {
      const reader = new ColdReader({ store, clock: nodeClock() });
      await reader.refresh(partition);
      const offset = BigInt(Math.floor(Math.random() * end));
      const startMs = performance.now();
      const read = await reader.read({ partition, offset, maxBytes: FETCH_BYTES });
      bytes += read?.bytes.length ?? 0;
      fetchesMs.push(performance.now() - startMs);
    }
    return { bytes, fetchesMs };
  };
}

interface Sdk {
  readonly sdk: typeof import("@aws-sdk/client-s3");
  readonly client: import("@aws-sdk/client-s3").S3Client;
}

async function sdkOf({ endpoint = "", keys }: Place): Promise<Sdk> {
  const sdk = await import("@aws-sdk/client-s3");
  const credentials = keys ?? { accessKeyId: "", secretAccessKey: "" };
  const client = new sdk.S3Client({ endpoint, region: "us-east-1", credentials, forcePathStyle: true });
  return { sdk, client };
}

const plainKey = (at: number): string => `plain/${at}.log`;

function sdkUpload({ bucket: Bucket, segments }: Place, { sdk, client }: Sdk): Contender {
  return async () => {
    for (const [at, { path, sizeBytes }] of segments.entries()) {
      const target = { Bucket, Key: plainKey(at) };
      const begun = await client.send(new sdk.CreateMultipartUploadCommand({ ...target, ChecksumAlgorithm: "CRC32C" }));
      const upload = { ...target, UploadId: begun.UploadId };
      const parts = await inRanges(sizeBytes, PART_BYTES, async ({ start, endExclusive }) => {
        const PartNumber = start / PART_BYTES + 1;
        const Body = await readFrom(`${path}.log`, start, endExclusive);
        const ChecksumCRC32C = crc32cText(Body);
        const { ETag } = await client.send(new sdk.UploadPartCommand({ ...upload, PartNumber, Body, ChecksumCRC32C }));
        return { PartNumber, ETag, ChecksumCRC32C };
      });
      const Parts = parts.sort((a, b) => a.PartNumber - b.PartNumber);
      await client.send(new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
    }
    return { bytes: total(segments) };
  };
}

function sdkRange({ bucket: Bucket }: Place, { sdk, client }: Sdk): ReadRange {
  return async (at, start, endExclusive) => {
    const Range = `bytes=${start}-${endExclusive - 1}`;
    const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket, Key: plainKey(at), Range }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  };
}

function sdkDownload(place: Place, sdk: Sdk): Contender {
  const { segments } = place;
  const read = sdkRange(place, sdk);
  return async () => {
    let bytes = 0;
    for (const [at, { sizeBytes }] of segments.entries()) {
      await inRanges(sizeBytes, RANGE_BYTES, async ({ start, endExclusive }) => {
        bytes += (await read(at, start, endExclusive)).length;
      });
    }
    return { bytes };
  };
}

/** With the flush that our own directory store does. */
function fileCopy({ directory, segments }: Place): Contender {
  return async () => {
    for (const { path } of segments) {
      const copy = join(directory, "copy.log");
      await copyFile(`${path}.log`, copy);
      await using file = await open(copy, "r+");
      await file.sync();
      await rm(copy);
    }
    return { bytes: total(segments) };
  };
}

function fileRead({ segments }: Place): Contender {
  return async () => {
    let bytes = 0;
    for (const { path, sizeBytes } of segments) {
      await inRanges(sizeBytes, RANGE_BYTES, async ({ start, endExclusive }) => {
        const read = await readFrom(`${path}.log`, start, endExclusive);
        bytes += read.length;
      });
    }
    return { bytes };
  };
}

/** Several ranges at once, as many as our own uploads have under way. */
async function inRanges<T>(
  sizeBytes: number,
  rangeBytes: number,
  work: (range: { readonly start: number; readonly endExclusive: number }) => Promise<T>,
): Promise<T[]> {
  const done: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < sizeBytes) {
      const start = next;
      next = Math.min(sizeBytes, next + rangeBytes);
      done.push(await work({ start, endExclusive: next }));
    }
  };
  await Promise.all(Array.from({ length: PARTS_IN_FLIGHT }, worker));
  return done;
}
