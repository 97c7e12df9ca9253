/** ObjectStore over an S3-compatible server. The SDK is loaded when the first store is opened. */

import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { StoreError } from "../../tier/errors.ts";
import { bodyOf, freeMemory } from "../../tier/object-body.ts";
import { isPlainKey } from "../../tier/object-key.ts";
import type { ByteRange, ObjectBody, ObjectFacts, ObjectStore } from "../../tier/ports.ts";
import { storeFailure } from "../../tier/store-failure.ts";
import { statusOf } from "./s3-errors.ts";
import { putInParts, SINGLE_PUT_BYTES_MAX } from "./s3-multipart.ts";
import type { S3StoreOptions } from "./s3-options.ts";
import { PROBE_PREFIX, probe } from "./s3-probe.ts";
import { crc32cText, openSession, type S3Deps, type S3Session } from "./s3-session.ts";
import { abortUpload, unfinishedUploads } from "./s3-unfinished.ts";

/** Pages of 1,000 keys; more below one prefix is no archive of ours. */
const LIST_PAGES_MAX = 10_000;

/** Smaller chunks of an answer are not worth being given back one by one. */
const CHUNK_BYTES_MIN = 4 * 1024;

/** Connects and asks whether the server can do what the archive needs.
 *  @throws {StoreError} `STORE_UNSUPPORTED`, `STORE_DENIED`, `STORE_NO_BUCKET`, `STORE_UNAVAILABLE` */
export async function openS3Store(options: S3StoreOptions, deps: S3Deps): Promise<ObjectStore> {
  const session = await openSession(options, deps);
  const store = storeOver(session, options.prefix);
  try {
    await probe(store, deps.random);
    return store;
  } catch (error) {
    store.close();
    throw error;
  }
}

/** Connects to a store that is only read, with credentials that may allow no more: nothing is written, not even to ask.
 *  @throws {StoreError} `STORE_DENIED`, `STORE_NO_BUCKET`, `STORE_UNAVAILABLE` */
export async function openS3StoreToRead(options: S3StoreOptions, deps: S3Deps): Promise<ObjectStore> {
  const store = storeOver(await openSession(options, deps), options.prefix);
  try {
    await store.list(PROBE_PREFIX);
    return store;
  } catch (error) {
    store.close();
    throw error;
  }
}

function storeOver(session: S3Session, prefix: string): ObjectStore {
  const { client, location } = session;
  const full = (key: string): string => {
    if (!isPlainKey(key)) throw storeFailure({ code: "STORE_BAD_KEY", location, key });
    return prefix + key;
  };
  return {
    location,
    put: async (key, content) => put(session, full(key), bodyOf(content)),
    putIfAbsent: async (key, bytes) => putIfAbsent(session, full(key), bytes),
    get: async (key, range, signal) => get(session, full(key), { range, signal }),
    stat: async (key) => stat(session, full(key)),
    list: async (below) => (await list(session, prefix + below)).map((key) => key.slice(prefix.length)),
    remove: async (key) => remove(session, full(key)),
    unfinished: () => unfinishedUploads(session, prefix),
    giveUp: ({ key, id }) => abortUpload(session, full(key), id),
    close: () => client.destroy(),
  };
}

async function put(session: S3Session, key: string, body: ObjectBody): Promise<void> {
  if (body.sizeBytes > SINGLE_PUT_BYTES_MAX) {
    await putInParts(session, key, body);
    return;
  }
  await putWhole(session, key, await body.read(0, body.sizeBytes), {});
}

async function putWhole(
  { sdk, client, calls, bucket, location }: S3Session,
  key: string,
  bytes: Uint8Array,
  condition: { readonly IfNoneMatch?: "*" },
): Promise<void> {
  const command = { Bucket: bucket, Key: key, Body: bytes, ChecksumCRC32C: crc32cText(bytes), ...condition };
  await calls.run({
    location,
    key,
    bytes: bytes.length,
    send: (abortSignal) => client.send(new sdk.PutObjectCommand(command), { abortSignal }),
  });
}

/** A refusal may follow a success whose answer got lost: then what is there are our own bytes. */
async function putIfAbsent(session: S3Session, key: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await putWhole(session, key, bytes, { IfNoneMatch: "*" });
    return true;
  } catch (error) {
    if (!(error instanceof StoreError) || statusOf(error.cause) !== 412) throw error;
    return (await get(session, key)).equals(bytes);
  }
}

interface Reading {
  readonly range?: ByteRange | undefined;
  readonly signal?: AbortSignal | undefined;
}

async function get(session: S3Session, key: string, { range, signal }: Reading = {}): Promise<Buffer> {
  const { sdk, client, calls, bucket, location } = session;
  if (range !== undefined && range.endExclusive <= range.start) return Buffer.alloc(0);
  const Range = range === undefined ? undefined : `bytes=${range.start}-${range.endExclusive - 1}`;
  const command = { Bucket: bucket, Key: key, ...(Range === undefined ? {} : { Range }) };
  try {
    return await calls.run({
      location,
      key,
      bytes: range === undefined ? SINGLE_PUT_BYTES_MAX : range.endExclusive - range.start,
      signal,
      send: async (abortSignal) => wholeBody(await client.send(new sdk.GetObjectCommand(command), { abortSignal })),
    });
  } catch (error) {
    // The range begins at the end of the object or behind it.
    if (error instanceof StoreError && statusOf(error.cause) === 416) return Buffer.alloc(0);
    throw error;
  }
}

/** A body that ends early is no answer. Each chunk is copied once, to where it stays, and its memory given back: the collector would
 *  let tens of MiB of them gather. */
async function wholeBody({ Body, ContentLength = 0 }: GetObjectCommandOutput): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(ContentLength);
  let at = 0;
  for await (const chunk of (Body as AsyncIterable<Buffer> | undefined) ?? []) {
    if (at + chunk.length <= ContentLength) chunk.copy(bytes, at);
    at += chunk.length;
    freeMemory(chunk, CHUNK_BYTES_MIN);
  }
  if (at !== ContentLength) throw Object.assign(new Error("the body ended early"), { code: "BODY_CUT" });
  return bytes;
}

async function stat(session: S3Session, key: string): Promise<ObjectFacts | undefined> {
  const { sdk, client, calls, bucket, location } = session;
  const send = (abortSignal: AbortSignal) =>
    client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), { abortSignal });
  try {
    const { ContentLength: sizeBytes = 0, LastModified } = await calls.run({ location, key, send });
    return { sizeBytes, modifiedMs: LastModified?.getTime() ?? 0 };
  } catch (error) {
    if (error instanceof StoreError && error.fault.code === "STORE_MISSING") return undefined;
    throw error;
  }
}

async function list(session: S3Session, prefix: string): Promise<readonly string[]> {
  const { sdk, client, calls, bucket, location } = session;
  const keys: string[] = [];
  let token: string | undefined;
  for (let page = 0; page < LIST_PAGES_MAX; page++) {
    const query = { Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) };
    const send = (abortSignal: AbortSignal) => client.send(new sdk.ListObjectsV2Command(query), { abortSignal });
    const answer = await calls.run({ location, key: prefix, send });
    for (const { Key } of answer.Contents ?? []) if (Key !== undefined) keys.push(Key);
    token = answer.NextContinuationToken;
    if (token === undefined) return keys.sort();
  }
  throw storeFailure({ code: "STORE_FAILED", location, key: prefix, reason: "too many objects to list" });
}

async function remove(session: S3Session, key: string): Promise<void> {
  const { sdk, client, calls, bucket, location } = session;
  const send = (abortSignal: AbortSignal) =>
    client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal });
  await calls.run({ location, key, send });
}
