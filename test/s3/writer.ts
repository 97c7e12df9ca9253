/** A process that writes a large object and never comes to its end; whoever started it kills it. `WRITER_STORE` says where to, and
 *  the first line that it prints that a part of it has arrived. */

import { openFsStore } from "../../src/adapters/fs-store.ts";
import { openStore } from "./buckets.ts";

/** Two parts of an upload and a bit. */
const SIZE_BYTES = 20 * 1024 * 1024;
/** Read and sent as far as this. */
const SENT_BYTES = 8 * 1024 * 1024;

const { directory, bucket, key } = JSON.parse(process.env["WRITER_STORE"] ?? "{}");
const store = directory === undefined ? await openStore(bucket) : await openFsStore(directory);
setInterval(() => undefined, 60_000);
await store.put(key, {
  sizeBytes: SIZE_BYTES,
  read: (start, endExclusive) =>
    start < SENT_BYTES ? Buffer.alloc(endExclusive - start, 7) : new Promise<never>(() => undefined),
  release: () => void process.stdout.write("writing\n"),
});
