/** What time it is for a store: its own clock stamps objects, so only it can tell how old they are. */

import type { ObjectStore } from "./ports.ts";
import { storeFailure } from "./store-failure.ts";

/** No key of an archive. */
const CLOCK_KEY = "clock";

/** Others who ask at the same moment may remove the object before it was looked at; more often than this is no chance. */
const ATTEMPTS_MAX = 5;

/** Milliseconds since the epoch; S3 tells whole seconds. Writes an object, looks at it and removes it. @throws {StoreError} */
export async function storeNowMs(store: ObjectStore): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    await store.put(CLOCK_KEY, Buffer.from("Written to learn the store's time; may be removed.\n"));
    const facts = await store.stat(CLOCK_KEY);
    await store.remove(CLOCK_KEY);
    if (facts !== undefined) return facts.modifiedMs;
  }
  const reason = "what was just written is not there";
  throw storeFailure({ code: "STORE_FAILED", location: store.location, key: CLOCK_KEY, reason });
}
