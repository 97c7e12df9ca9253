/** ObjectStore in memory, for tests, with faults that a test sets by hand. */

import { StoreError } from "../tier/errors.ts";
import { bodyOf, wholeOf } from "../tier/object-body.ts";
import { isPlainKey } from "../tier/object-key.ts";
import type { ObjectStore, UnfinishedWrite } from "../tier/ports.ts";

/** An operation about to happen; a fault may throw instead of it, or damage what was written. */
export interface StoreOperation {
  readonly kind: "put" | "putIfAbsent" | "get" | "stat" | "list" | "remove" | "unfinished" | "giveUp";
  readonly key: string;
}

/** A store whose objects a test may look at and damage. */
export interface MemoryStore extends ObjectStore {
  readonly objects: Map<string, Buffer>;
  /** Writes under way, by their ids; a test may leave some behind. */
  readonly begun: Map<string, UnfinishedWrite>;
  /** Called before each operation; what it throws is the operation's failure. */
  before: (operation: StoreOperation) => void;
  /** Called after each operation took effect; what it throws is a lost reply. */
  after: (operation: StoreOperation) => void;
}

const NAMES_NO_OBJECT: ReadonlySet<StoreOperation["kind"]> = new Set(["list", "unfinished"]);

/** An empty store. Its objects were all written at time 0 unless it has a clock. */
export function createMemoryStore(options: { readonly nowMs?: () => number } = {}): MemoryStore {
  const objects = new Map<string, Buffer>();
  const modified = new Map<string, number>();
  const begun = new Map<string, UnfinishedWrite>();
  let writes = 0;
  const write = (key: string, bytes: Buffer): void => {
    objects.set(key, bytes);
    modified.set(key, options.nowMs?.() ?? 0);
  };
  const location = "memory:";
  const run = async <T>(operation: StoreOperation, action: () => T): Promise<T> => {
    if (!NAMES_NO_OBJECT.has(operation.kind) && !isPlainKey(operation.key))
      throw new StoreError({ code: "STORE_BAD_KEY", location, key: operation.key });
    store.before(operation);
    const result = action();
    store.after(operation);
    return result;
  };
  const store: MemoryStore = {
    location,
    objects,
    begun,
    before: () => {},
    after: () => {},
    put: async (key, content) => {
      const id = String(++writes);
      begun.set(id, { key, id, sizeBytes: 0, writtenMs: options.nowMs?.() ?? 0 });
      try {
        const bytes = await wholeOf(bodyOf(content));
        if (!begun.has(id)) throw new StoreError({ code: "STORE_MISSING", location, key });
        return await run({ kind: "put", key }, () => write(key, bytes));
      } finally {
        begun.delete(id);
      }
    },
    putIfAbsent: (key, bytes) =>
      run({ kind: "putIfAbsent", key }, () => {
        if (objects.has(key)) return false;
        write(key, Buffer.from(bytes));
        return true;
      }),
    get: (key, range, signal) =>
      run({ kind: "get", key }, () => {
        signal?.throwIfAborted();
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
    unfinished: () => run({ kind: "unfinished", key: "" }, () => [...begun.values()]),
    giveUp: ({ key, id }) => run({ kind: "giveUp", key }, () => void begun.delete(id)),
  };
  return store;
}
