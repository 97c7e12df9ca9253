/** An object store that tells how long its requests took and how many failed. */

import type { Clock } from "../core/clock.ts";
import type { ObjectStore } from "./ports.ts";

/** Kinds of requests: `put` writes, `get` reads, `list` looks (keys and facts), `delete` removes. */
export const STORE_OPS = ["put", "get", "list", "delete"] as const;

/** One of them. */
export type StoreOp = (typeof STORE_OPS)[number];

/** Upper bounds of the classes, in milliseconds; one more class holds what took longer. A segment of 256 MiB takes seconds. */
export const REQUEST_BOUNDS_MS: readonly number[] = [5, 25, 100, 250, 1_000, 2_500, 10_000, 30_000, 60_000];

/** What requests of one kind took since the store was opened; repetitions on the way are part of one. */
export interface RequestFigures {
  /** By class, one more than there are bounds. */
  readonly counts: readonly number[];
  readonly sumMs: number;
  /** Of these, those that ended with an error. */
  readonly failures: number;
}

/** Of each kind. */
export type StoreFigures = Readonly<Record<StoreOp, RequestFigures>>;

/** A store and what its requests took. */
export interface MeasuredStore {
  readonly store: ObjectStore;
  readonly figures: StoreFigures;
}

/** Measures every request from now on. */
export function measuredStore(store: ObjectStore, clock: Clock): MeasuredStore {
  const figures = { put: nothing(), get: nothing(), list: nothing(), delete: nothing() };
  const timed = async <T>(op: StoreOp, request: Promise<T>): Promise<T> => {
    const startMs = clock.monotonicMs();
    try {
      return await request;
    } catch (error) {
      figures[op].failures++;
      throw error;
    } finally {
      note(figures[op], clock.monotonicMs() - startMs);
    }
  };
  return {
    figures,
    store: {
      location: store.location,
      put: (key, content) => timed("put", store.put(key, content)),
      putIfAbsent: (key, bytes) => timed("put", store.putIfAbsent(key, bytes)),
      get: (key, range, signal) => timed("get", store.get(key, range, signal)),
      stat: (key) => timed("list", store.stat(key)),
      list: (prefix) => timed("list", store.list(prefix)),
      remove: (key) => timed("delete", store.remove(key)),
      unfinished: () => timed("list", store.unfinished()),
      giveUp: (write) => timed("delete", store.giveUp(write)),
      close: () => store.close(),
    },
  };
}

interface Counting {
  readonly counts: number[];
  sumMs: number;
  failures: number;
}

function nothing(): Counting {
  return { counts: new Array<number>(REQUEST_BOUNDS_MS.length + 1).fill(0), sumMs: 0, failures: 0 };
}

function note(figures: Counting, tookMs: number): void {
  let index = 0;
  while (tookMs > (REQUEST_BOUNDS_MS[index] ?? Number.POSITIVE_INFINITY)) index++;
  figures.counts[index] = (figures.counts[index] ?? 0) + 1;
  figures.sumMs += tookMs;
}
