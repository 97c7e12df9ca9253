/** Opens the object store that a topology declares. */

import { isAbsolute, join } from "node:path";
import { openFsStore, openFsStoreToRead } from "../adapters/fs-store.ts";
import { parseS3Url, type S3StoreOptions } from "../adapters/s3/s3-options.ts";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import type { ObjectStore } from "../tier/ports.ts";
import type { S3Access, StoreDeclaration } from "../topology/store-schema.ts";
import { RuntimeError } from "./errors.ts";
import { resolved } from "./secrets.ts";

/** What stores stand on. */
export interface StoreDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Relative directories lie below it. */
  readonly statePath: string;
}

/** The same for declarations of the same store, so that it is opened once. */
export function storeIdentity({ store, s3 }: StoreDeclaration): string {
  return JSON.stringify([store, s3]);
}

/** Resolves references, and asks an S3 store whether it does what the archive needs.
 *  @throws {StoreError} when it cannot be used now @throws {RuntimeError} `STORE_BAD_URL`
 *  @throws {TopologyError} `TOPOLOGY_REFERENCE_UNSET` */
export async function openStore({ store, s3 }: StoreDeclaration, deps: StoreDeps): Promise<ObjectStore> {
  const url = resolved(store);
  const path = pathIn(url, deps);
  if (path !== undefined) return openFsStore(path);
  const { openS3Store } = await import("../adapters/s3/s3-store.ts");
  return openS3Store(s3Options(url, s3 ?? {}), deps);
}

/** As `openStore`, for those who only read: nothing is written to ask what the store can do, and nothing is made.
 *  @throws {StoreError} when it cannot be read now @throws {RuntimeError | TopologyError} as `openStore` */
export async function openStoreToRead({ store, s3 }: StoreDeclaration, deps: StoreDeps): Promise<ObjectStore> {
  const url = resolved(store);
  const path = pathIn(url, deps);
  if (path !== undefined) return openFsStoreToRead(path);
  const { openS3StoreToRead } = await import("../adapters/s3/s3-store.ts");
  return openS3StoreToRead(s3Options(url, s3 ?? {}), deps);
}

/** The directory that a `file://` URL names. */
function pathIn(url: string, { statePath }: StoreDeps): string | undefined {
  if (!url.startsWith("file://")) return undefined;
  const path = url.slice("file://".length);
  return isAbsolute(path) ? path : join(statePath, path);
}

function s3Options(url: string, access: S3Access): S3StoreOptions {
  const place = parseS3Url(url);
  if (place === undefined) {
    const message = `store "${url}" is no store; write file://path or s3://bucket/prefix`;
    throw new RuntimeError({ code: "STORE_BAD_URL", url }, { message });
  }
  const optional = (text: string | undefined) => (text === undefined ? undefined : resolved(text));
  const [accessKeyId, secretAccessKey] = [optional(access.accessKeyId), optional(access.secretAccessKey)];
  return {
    ...place,
    endpoint: optional(access.endpoint),
    region: optional(access.region),
    pathStyle: access.pathStyle,
    ca: optional(access.ca),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
  };
}
