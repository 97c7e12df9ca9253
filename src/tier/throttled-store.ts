/** An object store that is asked no faster than its rule allows. */

import type { Clock } from "../core/clock.ts";
import type { ByteRange, ObjectBody, ObjectStore } from "./ports.ts";
import { Throttle } from "./throttle.ts";

/** Rates of one tiering rule. */
export interface TierLimits {
  /** In each direction. */
  readonly bytesPerSecond?: number | undefined;
  readonly requestsPerSecond?: number | undefined;
}

/** The store as it is when there are no limits. A part of a large object counts as a request of its own. */
export function throttledStore(store: ObjectStore, limits: TierLimits, clock: Clock): ObjectStore {
  const { bytesPerSecond, requestsPerSecond } = limits;
  if (bytesPerSecond === undefined && requestsPerSecond === undefined) return store;
  const [sent, received] = [new Throttle(bytesPerSecond, clock), new Throttle(bytesPerSecond, clock)];
  const requests = new Throttle(requestsPerSecond, clock);
  const send = async (bytes: number): Promise<void> => {
    await requests.take(1);
    await sent.take(bytes);
  };
  const ask = async <T>(call: () => Promise<T>): Promise<T> => {
    await requests.take(1);
    return call();
  };
  return {
    location: store.location,
    put: async (key, content) => {
      if (!(content instanceof Uint8Array)) return store.put(key, pacedBody(content, send));
      await send(content.length);
      return store.put(key, content);
    },
    putIfAbsent: async (key, bytes) => {
      await send(bytes.length);
      return store.putIfAbsent(key, bytes);
    },
    get: async (key: string, range?: ByteRange, signal?: AbortSignal) => {
      const bytes = await ask(() => store.get(key, range, signal));
      await received.take(bytes.length);
      return bytes;
    },
    stat: (key) => ask(() => store.stat(key)),
    list: (prefix) => ask(() => store.list(prefix)),
    remove: (key) => ask(() => store.remove(key)),
    unfinished: () => ask(() => store.unfinished()),
    giveUp: (write) => ask(() => store.giveUp(write)),
    close: () => store.close(),
  };
}

function pacedBody(body: ObjectBody, send: (bytes: number) => Promise<void>): ObjectBody {
  return {
    ...body,
    read: async (start, endExclusive) => {
      await send(endExclusive - start);
      return body.read(start, endExclusive);
    },
  };
}
