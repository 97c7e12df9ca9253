/** Asks a store whether it does what the archive relies on, by doing it: claims are not trusted. */

import type { Random } from "../../core/random.ts";
import type { ObjectStore } from "../../tier/ports.ts";
import { storeFailure } from "../../tier/store-failure.ts";

/** Below this prefix nothing is ever archived. */
export const PROBE_PREFIX = "tributary-probe/";

/** Writes a few small objects and removes them again. @throws {StoreError} `STORE_UNSUPPORTED` names what is missing */
export async function probe(store: ObjectStore, random: Random): Promise<void> {
  const key = `${PROBE_PREFIX}${Buffer.from(random.bytes(8)).toString("hex")}`;
  const bytes = Buffer.from("0123456789");
  const demand = (holds: boolean, reason: string): void => {
    if (!holds) throw storeFailure({ code: "STORE_UNSUPPORTED", location: store.location, key, reason });
  };
  demand(await store.putIfAbsent(key, bytes), "an object that was not there could not be created");
  try {
    const second = await store.putIfAbsent(key, Buffer.from("another"));
    demand(
      !second,
      "conditional writes (If-None-Match) are ignored: two workers could overwrite each other's manifests",
    );
    demand((await store.get(key)).equals(bytes), "what was written is not what is read");
    const range = await store.get(key, { start: 2, endExclusive: 5 });
    demand(range.equals(bytes.subarray(2, 5)), "ranges are ignored: reading archived records in place needs them");
    demand((await store.list(PROBE_PREFIX)).includes(key), "a list does not show what was just written");
  } finally {
    await store.remove(key);
  }
}
