/** Uploads in parts that nobody has completed: S3 keeps their parts, and has them paid for, until somebody gives them up. */

import type { MultipartUpload } from "@aws-sdk/client-s3";
import { StoreError } from "../../tier/errors.ts";
import type { UnfinishedWrite } from "../../tier/ports.ts";
import { storeFailure } from "../../tier/store-failure.ts";
import type { S3Session } from "./s3-session.ts";

/** Pages of 1,000 uploads, or parts; more of them no store has that is collected now and then. */
const PAGES_MAX = 100;

/** Those whose keys have the prefix; keys are told without it. The whole bucket is listed, because MinIO answers a prefix only
 *  with uploads of exactly that key. @throws {StoreError} `STORE_UNSUPPORTED`, `STORE_DENIED` */
export async function unfinishedUploads(session: S3Session, prefix: string): Promise<readonly UnfinishedWrite[]> {
  const found: UnfinishedWrite[] = [];
  for (const { Key = "", UploadId, Initiated } of await listUploads(session)) {
    if (UploadId === undefined || !Key.startsWith(prefix)) continue;
    const parts = await partsOf(session, { Key, UploadId });
    if (parts === undefined) continue;
    const writtenMs = Math.max(Initiated?.getTime() ?? 0, parts.writtenMs);
    found.push({ key: Key.slice(prefix.length), id: UploadId, sizeBytes: parts.sizeBytes, writtenMs });
  }
  return found;
}

/** Nothing happens when it has ended. @throws {StoreError} */
export async function abortUpload(session: S3Session, key: string, UploadId: string): Promise<void> {
  const { sdk, client, calls, bucket, location } = session;
  const upload = { Bucket: bucket, Key: key, UploadId };
  const send = (abortSignal: AbortSignal) => client.send(new sdk.AbortMultipartUploadCommand(upload), { abortSignal });
  await calls.run({ location, key, send }).catch(unlessMissing);
}

async function listUploads(session: S3Session): Promise<readonly MultipartUpload[]> {
  const { sdk, client, calls, bucket, location } = session;
  const found: MultipartUpload[] = [];
  let from: { readonly KeyMarker: string; readonly UploadIdMarker?: string } | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const query = { Bucket: bucket, ...from };
    const send = (abortSignal: AbortSignal) => client.send(new sdk.ListMultipartUploadsCommand(query), { abortSignal });
    const answer = await calls.run({ location, key: "", send });
    found.push(...(answer.Uploads ?? []));
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = answer;
    if (IsTruncated !== true || NextKeyMarker === undefined) return found;
    from = { KeyMarker: NextKeyMarker, ...(NextUploadIdMarker && { UploadIdMarker: NextUploadIdMarker }) };
  }
  throw storeFailure({ code: "STORE_FAILED", location, key: "", reason: "too many unfinished uploads to list" });
}

/** How much there is of an upload, and since when; undefined when it has ended meanwhile. A slow writer shows by its newest part. */
async function partsOf(
  { sdk, client, calls, bucket, location }: S3Session,
  upload: { readonly Key: string; readonly UploadId: string },
): Promise<{ readonly sizeBytes: number; readonly writtenMs: number } | undefined> {
  let [sizeBytes, writtenMs] = [0, 0];
  let from: { readonly PartNumberMarker: string } | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const query = { Bucket: bucket, ...upload, ...from };
    const send = (abortSignal: AbortSignal) => client.send(new sdk.ListPartsCommand(query), { abortSignal });
    const answer = await calls.run({ location, key: upload.Key, send }).catch(unlessMissing);
    if (answer === undefined) return undefined;
    for (const { Size = 0, LastModified } of answer.Parts ?? []) {
      sizeBytes += Size;
      writtenMs = Math.max(writtenMs, LastModified?.getTime() ?? 0);
    }
    if (answer.IsTruncated !== true || answer.NextPartNumberMarker === undefined) break;
    from = { PartNumberMarker: answer.NextPartNumberMarker };
  }
  return { sizeBytes, writtenMs };
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof StoreError && error.fault.code === "STORE_MISSING") return undefined;
  throw error;
}
