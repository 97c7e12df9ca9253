/** ObjectStore in memory, for tests, with faults that a test sets by hand. */

import { StoreError } from "../tier/errors.ts";
import { bodyOf, wholeOf } from "../tier/object-body.ts";
import { isPlainKey } from "../tier/object-key.ts";
import type { ObjectStore } from "../tier/ports.ts";

/** An operation about to happen; a fault may throw instead of it, or damage what was written. */
export interface StoreOperation {
  readonly kind: "put" | "putIfAbsent" | "get" | "stat" | "list" | "remove";
  readonly key: string;
}

/** A store whose objects a test may look at and damage. */
export interface MemoryStore extends ObjectStore {
  readonly objects: Map<string, Buffer>;
  /** Called before each operation; what it throws is the operation's failure. */
  before: (operation: StoreOperation) => void;
  /** Called after each operation took effect; what it throws is a lost reply. */
  after: (operation: StoreOperation) => void;
}

/** An empty store. Its objects were all written at time 0 unless it has a clock. */
export function createMemoryStore(options: { readonly nowMs?: () => number } = {}): MemoryStore {
  const objects = new Map<string, Buffer>();
  const modified = new Map<string, number>();
  const write = (key: string, bytes: Buffer): void => {
    objects.set(key, bytes);
    modified.set(key, options.nowMs?.() ?? 0);
  };
  const location = "memory:";
  const run = async <T>(operation: StoreOperation, action: () => T): Promise<T> => {
    if (operation.kind !== "list" && !isPlainKey(operation.key))
      throw new StoreError({ code: "STORE_BAD_KEY", location, key: operation.key });
    store.before(operation);
    const result = action();
    store.after(operation);
    return result;
  };
  const store: MemoryStore = {
    location,
    objects,
    before: () => {},
    after: () => {},
    put: async (key, content) => {
      const bytes = await wholeOf(bodyOf(content));
      return run({ kind: "put", key }, () => write(key, bytes));
    },
    putIfAbsent: (key, bytes) =>
      run({ kind: "putIfAbsent", key }, () => {
        if (objects.has(key)) return false;
        write(key, Buffer.from(bytes));
        return true;
      }),
    get: (key, range) =>
      run({ kind: "get", key }, () => {
        const object = objects.get(key);
        if (object === undefined) throw new StoreError({ code: "STORE_MISSING", location, key });
        return Buffer.from(range === undefined ? object : object.subarray(range.start, range.endExclusive));
      }),
    stat: (key) =>
      run({ kind: "stat", key }, () => {
        const sizeBytes = objects.get(key)?.length;
        return sizeBytes === undefined ? undefined : { sizeBytes, modifiedMs: modified.get(key) ?? 0 };
      }),
    list: (prefix) =>
      run({ kind: "list", key: prefix }, () => [...objects.keys()].filter((key) => key.startsWith(prefix)).sort()),
    close: () => {},
    remove: (key) => run({ kind: "remove", key }, () => void objects.delete(key)),
  };
  return store;
}
