/** A store whose every use is a step of a process. */

import type { MemoryStore } from "../../../src/adapters/memory-store.ts";
import type { ObjectStore } from "../../../src/tier/ports.ts";
import type { Life } from "./life.ts";

/** `list` answers in place of the store's own, as one does that lags behind. */
export function storeSeenBy(
  life: Life,
  store: MemoryStore,
  list: (prefix: string) => Promise<readonly string[]> | readonly string[] = (prefix) => store.list(prefix),
): ObjectStore {
  return {
    location: store.location,
    put: (key, content) => life.step(`put ${key}`, () => store.put(key, content)),
    putIfAbsent: (key, bytes) => life.step(`putIfAbsent ${key}`, () => store.putIfAbsent(key, bytes)),
    get: (key, range, signal) => life.step(`get ${key}`, () => store.get(key, range, signal)),
    stat: (key) => life.step(`stat ${key}`, () => store.stat(key)),
    list: (prefix) => life.step(`list ${prefix}`, () => list(prefix)),
    remove: (key) => life.step(`remove ${key}`, () => store.remove(key)),
    unfinished: () => life.step("unfinished", () => store.unfinished()),
    giveUp: (write) => life.step(`giveUp ${write.key}`, () => store.giveUp(write)),
    close: () => {},
  };
}
