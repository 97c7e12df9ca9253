/** What the archive relies on in any ObjectStore, as cases that are run against each kind. */

import assert from "node:assert/strict";
import { hasFaultCode } from "../../src/core/errors.ts";
import { StoreError } from "../../src/tier/errors.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";

/** One case; the store holds nothing before it. */
export interface StoreCase {
  readonly name: string;
  readonly run: (store: ObjectStore) => Promise<void>;
}

/** Larger than what goes in one request anywhere, and no multiple of any part. */
const LARGE_BYTES = 20 * 1024 * 1024 + 12_345;

/** Different at every place. */
function pattern(sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) bytes[at] = (at * 31 + (at >>> 8)) & 0xff;
  return bytes;
}

/** The contract. */
export const STORE_CASES: readonly StoreCase[] = [
  {
    name: "returns what was put, whole and by range",
    run: async (store) => {
      await store.put("a/b.log", Buffer.from("0123456789"));
      assert.equal((await store.get("a/b.log")).toString(), "0123456789");
      assert.equal((await store.get("a/b.log", { start: 2, endExclusive: 5 })).toString(), "234");
      assert.equal((await store.get("a/b.log", { start: 8, endExclusive: 50 })).toString(), "89");
      assert.equal((await store.get("a/b.log", { start: 50, endExclusive: 60 })).length, 0);
      assert.equal((await store.get("a/b.log", { start: 3, endExclusive: 3 })).length, 0);
    },
  },
  {
    name: "keeps empty objects, and replaces an object as a whole",
    run: async (store) => {
      await store.put("empty", Buffer.alloc(0));
      assert.equal((await store.get("empty")).length, 0);
      assert.equal((await store.stat("empty"))?.sizeBytes, 0);
      await store.put("empty", Buffer.from("full"));
      assert.equal((await store.get("empty")).toString(), "full");
    },
  },
  {
    name: "takes a large object in parts, and tells its size",
    run: async (store) => {
      const bytes = pattern(LARGE_BYTES);
      const read = (start: number, endExclusive: number) => bytes.subarray(start, endExclusive);
      await store.put("large.log", { sizeBytes: bytes.length, read });
      assert.equal((await store.stat("large.log"))?.sizeBytes, bytes.length);
      assert.equal(Buffer.compare(await store.get("large.log"), bytes), 0);
      const range = { start: 8 * 1024 * 1024 - 5, endExclusive: 8 * 1024 * 1024 + 5 };
      assert.deepEqual(await store.get("large.log", range), bytes.subarray(range.start, range.endExclusive));
    },
  },
  {
    name: "writes nothing when the content cannot be read to its end",
    run: async (store) => {
      const read = (start: number): Buffer => {
        if (start > 0) throw new Error("the disk is gone");
        return Buffer.alloc(8 * 1024 * 1024);
      };
      await assert.rejects(store.put("torn.log", { sizeBytes: LARGE_BYTES, read }), /the disk is gone|STORE_/);
      assert.equal(await store.stat("torn.log"), undefined);
    },
  },
  {
    name: "tells of a write under way, and lets nothing appear of one that was given up",
    run: async (store) => {
      const bytes = pattern(LARGE_BYTES);
      const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const read = async (start: number, endExclusive: number): Promise<Buffer> => {
        begun.resolve();
        await go.promise;
        return bytes.subarray(start, endExclusive);
      };
      // A server may break the connection instead of telling that there is no such upload.
      const failing = assert.rejects(store.put("w/torn.log", { sizeBytes: bytes.length, read }), StoreError);
      await begun.promise;
      // A request to begin whose answer was lost may have begun one that nobody goes on with.
      const writes = await store.unfinished();
      assert.deepEqual([...new Set(writes.map(({ key }) => key))], ["w/torn.log"]);
      for (const write of [...writes, ...writes]) await store.giveUp(write);
      assert.deepEqual(await store.unfinished(), []);
      go.resolve();
      await failing;
      assert.deepEqual(await store.list(""), []);
      await store.put("w/torn.log", bytes);
      assert.deepEqual(await store.unfinished(), []);
    },
  },
  {
    name: "ends a read that nobody wants any more with the reason given, and answers the next one",
    run: async (store) => {
      await store.put("a.log", Buffer.from("0123456789"));
      const gone = AbortSignal.abort(new Error("went home"));
      await assert.rejects(store.get("a.log", undefined, gone), /went home/);
      const { signal } = new AbortController();
      assert.equal((await store.get("a.log", { start: 1, endExclusive: 3 }, signal)).toString(), "12");
    },
  },
  {
    name: "lets exactly one of several writers create a key",
    run: async (store) => {
      const wins = await Promise.all(
        Array.from({ length: 8 }, (_, i) => store.putIfAbsent("m/1.json", Buffer.from(String(i)))),
      );
      assert.equal(wins.filter(Boolean).length, 1);
      assert.equal((await store.get("m/1.json")).toString(), String(wins.indexOf(true)));
    },
  },
  {
    name: "lists keys below a prefix in order, right after they were put",
    run: async (store) => {
      for (const key of ["p/2", "p/10", "p/1", "q/1", "p/sub/1"]) await store.put(key, Buffer.from(key));
      assert.deepEqual(await store.list("p/"), ["p/1", "p/10", "p/2", "p/sub/1"]);
      assert.deepEqual(await store.list("p/1"), ["p/1", "p/10"]);
      assert.deepEqual(await store.list("nowhere/"), []);
    },
  },
  {
    name: "takes keys with blanks, signs and letters of other languages",
    run: async (store) => {
      const keys = ["odd/a b+c=d%20e", "odd/ü-ключ", "odd/:@!'()&$,;"];
      for (const key of keys) await store.put(key, Buffer.from(key));
      for (const key of keys) assert.equal((await store.get(key)).toString(), key);
      assert.deepEqual(await store.list("odd/"), [...keys].sort());
    },
  },
  {
    name: "says that a key is missing, and removes twice without complaint",
    run: async (store) => {
      await assert.rejects(store.get("no/such"), (error) => hasFaultCode(error, "STORE_MISSING"));
      assert.equal(await store.stat("no/such"), undefined);
      await store.put("x", Buffer.from("x"));
      await store.remove("x");
      await store.remove("x");
      assert.deepEqual(await store.list(""), []);
    },
  },
  {
    name: "refuses keys that lead elsewhere",
    run: async (store) => {
      for (const key of ["../x", "a//b", "", "a/../b", "/etc/x", "a/"])
        await assert.rejects(store.put(key, Buffer.alloc(1)), (error) => hasFaultCode(error, "STORE_BAD_KEY"));
    },
  },
];
