/** An ObjectStore that is opened when it is first needed, and again when that failed: a store that is away for a while must not
 *  keep a region from starting. */

import type { ObjectStore } from "../tier/ports.ts";

/** A store that may not be open yet. */
export interface LateStore extends ObjectStore {
  /** Opens it now. @throws what opening throws; the next use tries again */
  ready(): Promise<void>;
}

/** `location` is for messages, until the store can tell its own. */
export function lateStore(location: string, open: () => Promise<ObjectStore>): LateStore {
  let opening: Promise<ObjectStore> | undefined;
  let isClosed = false;
  const opened = (): Promise<ObjectStore> => {
    opening ??= open().then(
      (store) => {
        if (isClosed) store.close();
        return store;
      },
      (error: unknown) => {
        opening = undefined;
        throw error;
      },
    );
    return opening;
  };
  return {
    location,
    ready: async () => void (await opened()),
    put: async (key, content) => (await opened()).put(key, content),
    putIfAbsent: async (key, bytes) => (await opened()).putIfAbsent(key, bytes),
    get: async (key, range, signal) => (await opened()).get(key, range, signal),
    stat: async (key) => (await opened()).stat(key),
    list: async (prefix) => (await opened()).list(prefix),
    remove: async (key) => (await opened()).remove(key),
    unfinished: async () => (await opened()).unfinished(),
    giveUp: async (write) => (await opened()).giveUp(write),
    close: () => {
      isClosed = true;
      void opening?.then((store) => store.close()).catch(() => undefined);
    },
  };
}
