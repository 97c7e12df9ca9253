/** Uploads of large objects in parts, each with its checksum; memory is bounded by the parts
 *  under way, whatever the number of uploads. */

import { StoreError } from "../../tier/errors.ts";
import { partsOf } from "../../tier/object-body.ts";
import type { ObjectBody } from "../../tier/ports.ts";
import { crc32cText, type S3Session } from "./s3-session.ts";
import { abortUpload } from "./s3-unfinished.ts";

/** Smaller objects go in one request. */
export const SINGLE_PUT_BYTES_MAX = 16 * 1024 * 1024;
/** 10,000 parts, the most that S3 takes, make 80 GB: no segment is that large. */
const PART_BYTES = 8 * 1024 * 1024;
/** Parts that one upload has under way, as far as others leave it room. */
const PARTS_IN_FLIGHT_MAX = 4;

interface Part {
  readonly PartNumber: number;
  readonly ETag: string | undefined;
  readonly ChecksumCRC32C: string;
}

/** Writes the object or nothing; of a failed upload the parts are removed, as far as the store can be reached.
 *  @throws {StoreError} */
export async function putInParts(session: S3Session, key: string, body: ObjectBody): Promise<void> {
  const { sdk, client, calls, bucket, location } = session;
  const at = { Bucket: bucket, Key: key };
  const { UploadId } = await calls.run({
    location,
    key,
    send: (abortSignal) =>
      client.send(new sdk.CreateMultipartUploadCommand({ ...at, ChecksumAlgorithm: "CRC32C" }), { abortSignal }),
  });
  const upload = { ...at, UploadId };
  try {
    await complete(session, upload, await sendParts(session, upload, body));
  } catch (error) {
    if (UploadId !== undefined) await abortUpload(session, key, UploadId).catch(() => undefined);
    throw error;
  }
}

/** An upload that is no longer there when its end is asked for again may have come to its end the first time. */
async function complete(session: S3Session, upload: Upload, parts: readonly Part[]): Promise<void> {
  const { sdk, client, calls, location } = session;
  const command = { ...upload, MultipartUpload: { Parts: [...parts] } };
  const send = (abortSignal: AbortSignal) =>
    client.send(new sdk.CompleteMultipartUploadCommand(command), { abortSignal });
  try {
    await calls.run({ location, key: upload.Key, send });
  } catch (error) {
    if (!(error instanceof StoreError) || error.fault.code !== "STORE_MISSING") throw error;
    if ((await checksumOf(session, upload)) !== compositeText(parts)) throw error;
  }
}

async function checksumOf({ sdk, client, calls, location }: S3Session, { Bucket, Key }: Upload) {
  const command = { Bucket, Key, ChecksumMode: "ENABLED" as const };
  const send = (abortSignal: AbortSignal) => client.send(new sdk.HeadObjectCommand(command), { abortSignal });
  return (await calls.run({ location, key: Key, send })).ChecksumCRC32C;
}

/** The checksum that S3 gives an object of several parts: that of the parts' checksums, and how many there are. */
function compositeText(parts: readonly Part[]): string {
  const checksums = parts.map(({ ChecksumCRC32C }) => Buffer.from(ChecksumCRC32C, "base64"));
  return `${crc32cText(Buffer.concat(checksums))}-${parts.length}`;
}

interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string | undefined;
}

async function sendParts(session: S3Session, upload: Upload, body: ObjectBody): Promise<readonly Part[]> {
  const waiting = [...partsOf(body, PART_BYTES)].entries();
  const sent: Part[] = [];
  const worker = async (): Promise<void> => {
    for (const [index, { start, endExclusive }] of waiting) {
      const giveBack = await session.parts.take();
      try {
        const bytes = await body.read(start, endExclusive);
        sent.push(await sendPart(session, { ...upload, PartNumber: index + 1 }, bytes));
        body.release?.(bytes);
      } finally {
        giveBack();
      }
    }
  };
  await Promise.all(Array.from({ length: PARTS_IN_FLIGHT_MAX }, worker));
  return sent.sort((a, b) => a.PartNumber - b.PartNumber);
}

async function sendPart(
  { sdk, client, calls, location }: S3Session,
  part: Upload & { readonly PartNumber: number },
  bytes: Uint8Array,
): Promise<Part> {
  const ChecksumCRC32C = crc32cText(bytes);
  const command = { ...part, Body: bytes, ChecksumCRC32C };
  const { ETag } = await calls.run({
    location,
    key: part.Key,
    bytes: bytes.length,
    send: (abortSignal) => client.send(new sdk.UploadPartCommand(command), { abortSignal }),
  });
  return { PartNumber: part.PartNumber, ETag, ChecksumCRC32C };
}
