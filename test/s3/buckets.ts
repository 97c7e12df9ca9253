/** Buckets of a server, each with a store of its own. */

import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import type { S3StoreOptions } from "../../src/adapters/s3/s3-options.ts";
import { openS3Store } from "../../src/adapters/s3/s3-store.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import type { S3Server } from "./servers.ts";

let buckets = 0;

/** Makes an empty bucket and tells how to reach it. */
export async function newBucket(server: S3Server): Promise<S3StoreOptions> {
  const bucket = `bucket-${++buckets}`;
  await makeBucket(server, bucket);
  return { bucket, prefix: "archive/", endpoint: server.endpoint, credentials: server.keys };
}

/** Makes a bucket of this name. */
export async function makeBucket({ endpoint, keys: credentials }: S3Server, bucket: string): Promise<void> {
  const { CreateBucketCommand, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client({ endpoint, region: "us-east-1", credentials, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
}

/** Opens the store of a bucket, perhaps through a proxy or with other keys. */
export function openStore(options: S3StoreOptions): Promise<ObjectStore> {
  return openS3Store(options, { clock: nodeClock(), random: nodeRandom() });
}
