/** Every kind of store that an archive may lie in, each with nothing in it: a directory, and buckets of real servers. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import type { S3StoreOptions } from "../../src/adapters/s3/s3-options.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { newBucket, openStore } from "./buckets.ts";
import { SERVERS } from "./shared-servers.ts";

/** An empty store. */
export interface EmptyStore extends Disposable {
  readonly store: ObjectStore;
  /** Where others find it; undefined for a directory. */
  readonly bucket: S3StoreOptions | undefined;
}

/** A kind of store. */
export interface StoreKind {
  readonly name: string;
  /** Why it cannot be used here, for `skip`. */
  readonly skip: string | false;
  readonly open: () => Promise<EmptyStore>;
}

async function openDirectory(): Promise<EmptyStore> {
  const directory = mkdtempSync(join(tmpdir(), "archive-"));
  return {
    store: await openFsStore(directory),
    bucket: undefined,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** All of them. */
export const STORES: readonly StoreKind[] = [
  { name: "a directory", skip: false, open: openDirectory },
  ...SERVERS.map(({ name, skip, get }) => ({
    name: `a bucket of ${name}`,
    skip,
    open: async (): Promise<EmptyStore> => {
      const bucket = await newBucket(await get());
      const store = await openStore(bucket);
      return { store, bucket, [Symbol.dispose]: () => store.close() };
    },
  })),
];
