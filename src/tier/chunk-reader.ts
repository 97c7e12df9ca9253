/** Reads parts of archived objects in chunks: from memory, else from files, else from the store, each chunk once however many
 *  readers want it. */

import type { Clock } from "../core/clock.ts";
import type { ChunkFiles } from "./chunk-files.ts";
import type { ByteRange, ObjectStore } from "./ports.ts";
import { storeFailure } from "./store-failure.ts";

/** One request to a store. Large enough that requests cost little (256 per GiB), small enough to come within a fetch's wait. */
export const CHUNK_BYTES = 4 * 1024 * 1024;
/** Chunks in memory, 32 MiB: a reader takes one in several fetches. */
const MEMORY_BYTES_MAX = 8 * CHUNK_BYTES;
/** Requests under way, prefetches included: at most 32 MiB on their way. */
const DOWNLOADS_MAX = 8;
/** Of these for chunks that nobody waits for. */
const PREFETCHES_MAX = 4;
/** Readers that wait for a turn. */
const WAITING_MAX = 4_096;
/** Prefetches that wait for a turn; older ones give way. */
const WANTED_MAX = 64;
/** The store has deadlines of its own for each attempt; this one lets readers go when it never answers at all. */
const DOWNLOAD_MS_MAX = 120_000;

/** An object by what its manifest says. */
export interface ArchivedObject {
  readonly key: string;
  readonly sizeBytes: number;
}

/** A chunk that will be wanted soon. */
export interface WantedChunk {
  readonly object: ArchivedObject;
  readonly index: number;
}

/** What was done so far. */
export interface ChunkFigures {
  /** Requests to the store. */
  readonly requests: number;
  readonly requestedBytes: number;
  /** Of the requests: made before anybody waited for them. */
  readonly prefetches: number;
  /** Chunks found in memory and in files. */
  readonly memoryHits: number;
  readonly fileHits: number;
}

/** What a reader stands on. */
export interface ChunkReaderDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** Absent: memory only, as for a store that is a local directory. */
  readonly files?: ChunkFiles | undefined;
}

/** Where parts of objects are read from. */
export interface ChunkSource {
  /** The bytes of the range, as far as the object has them. @throws {StoreError} */
  read(object: ArchivedObject, start: number, endExclusive: number): Promise<Buffer>;
  /** Reads the object again next time: what was read of it is wrong. */
  forget(object: ArchivedObject): void;
}

/** A chunk on its way. */
interface Flight {
  readonly bytes: Promise<Buffer>;
  readonly end: AbortController;
  /** Who waits for it; a prefetch waits for itself. */
  readers: number;
}

/** Memory is bounded by what it keeps and what is under way. Returned buffers are shared: nobody writes to them. */
export class ChunkReader implements ChunkSource {
  readonly #deps: ChunkReaderDeps;
  /** Least recently used first. */
  readonly #memory = new Map<string, Buffer>();
  readonly #flights = new Map<string, Flight>();
  readonly #waiting: (() => void)[] = [];
  #wanted: { readonly chunk: WantedChunk; readonly reader: object }[] = [];
  #memoryBytes = 0;
  #downloads = 0;
  #prefetching = 0;
  #figures = { requests: 0, requestedBytes: 0, prefetches: 0, memoryHits: 0, fileHits: 0 };

  constructor(deps: ChunkReaderDeps) {
    this.#deps = deps;
  }

  get figures(): ChunkFigures {
    return { ...this.#figures };
  }

  /** See `ChunkSource`; this reader waits to the end. */
  read(object: ArchivedObject, start: number, endExclusive: number): Promise<Buffer> {
    return this.#read(object, { start, endExclusive }, undefined);
  }

  /** The same for a reader who goes when the signal aborts: its reads end with the signal's reason, and so does each request that nobody
   *  else waits for. Chunks that are fetched ahead come all the same. */
  until(signal: AbortSignal | undefined): ChunkSource {
    if (signal === undefined) return this;
    return {
      read: (object, start, endExclusive) => this.#read(object, { start, endExclusive }, signal),
      forget: (object) => this.forget(object),
    };
  }

  /** Fetches these chunks when there is nothing better to do. What the same reader wanted before and nobody has begun to
   *  fetch is dropped: it is somewhere else now. */
  prefetch(reader: object, chunks: readonly WantedChunk[]): void {
    const others = this.#wanted.filter((wanted) => wanted.reader !== reader);
    const missing = chunks.filter((chunk) => !this.#isNear(chunk));
    this.#wanted = [...others, ...missing.map((chunk) => ({ chunk, reader }))].slice(-WANTED_MAX);
    this.#prefetchNext();
  }

  /** Reads the object again next time: what was read of it is wrong. */
  forget(object: ArchivedObject): void {
    for (let index = 0; index * CHUNK_BYTES < object.sizeBytes; index++) {
      const id = idOf(object, index);
      this.#memoryBytes -= this.#memory.get(id)?.length ?? 0;
      this.#memory.delete(id);
      this.#deps.files?.forget(this.#place(object, index));
    }
  }

  async #read(object: ArchivedObject, range: ByteRange, signal: AbortSignal | undefined): Promise<Buffer> {
    const end = Math.min(range.endExclusive, object.sizeBytes);
    const parts: Buffer[] = [];
    for (let at = range.start; at < end; ) {
      const index = Math.floor(at / CHUNK_BYTES);
      const chunk = await this.#chunk(object, index, signal);
      const from = at - index * CHUNK_BYTES;
      const part = chunk.subarray(from, Math.min(chunk.length, from + end - at));
      parts.push(part);
      at += part.length;
    }
    const [only] = parts;
    return only !== undefined && parts.length === 1 ? only : Buffer.concat(parts);
  }

  async #chunk(object: ArchivedObject, index: number, signal: AbortSignal | undefined): Promise<Buffer> {
    signal?.throwIfAborted();
    const id = idOf(object, index);
    const kept = this.#memory.get(id);
    if (kept !== undefined) {
      this.#figures.memoryHits++;
      this.#memory.delete(id);
      this.#memory.set(id, kept);
      return kept;
    }
    const flying = this.#flights.get(id);
    if (flying !== undefined) return this.#join(id, flying, signal);
    const filed = this.#deps.files?.read(this.#place(object, index));
    if (filed !== undefined) {
      this.#figures.fileHits++;
      this.#keep(id, filed);
      return filed;
    }
    const flight = this.#fly(id, async (ended) => {
      await this.#turn(ended);
      return this.#download(object, index, ended);
    });
    return this.#join(id, flight, signal);
  }

  /** Single flight: whoever wants the chunk meanwhile joins. */
  #fly(id: string, load: (ended: AbortSignal) => Promise<Buffer>): Flight {
    const end = new AbortController();
    const bytes = load(end.signal).finally(() => this.#land(id, flight));
    const flight: Flight = { bytes, end, readers: 0 };
    this.#flights.set(id, flight);
    return flight;
  }

  /** The last one who goes ends the flight; who comes after that begins another one. */
  #join(id: string, flight: Flight, signal: AbortSignal | undefined): Promise<Buffer> {
    flight.readers++;
    if (signal === undefined) return flight.bytes;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason);
        flight.readers--;
        if (flight.readers > 0) return;
        this.#land(id, flight);
        flight.end.abort(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      flight.bytes.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }

  #land(id: string, flight: Flight): void {
    if (this.#flights.get(id) === flight) this.#flights.delete(id);
  }

  #turn(ended: AbortSignal): Promise<void> {
    if (this.#downloads < DOWNLOADS_MAX) {
      this.#downloads++;
      return Promise.resolve();
    }
    if (this.#waiting.length >= WAITING_MAX) return Promise.reject(this.#unavailable("too many readers wait for it"));
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        ended.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(ended.reason);
      };
      ended.addEventListener("abort", leave, { once: true });
      this.#waiting.push(turn);
    });
  }

  /** A turn goes to a reader that waits before any prefetch. */
  #turnOver(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next();
    else this.#downloads--;
    this.#prefetchNext();
  }

  #prefetchNext(): void {
    while (this.#downloads < DOWNLOADS_MAX && this.#prefetching < PREFETCHES_MAX) {
      const next = this.#wanted.shift();
      if (next === undefined) return;
      const { object, index } = next.chunk;
      if (this.#isNear(next.chunk)) continue;
      this.#downloads++;
      this.#prefetching++;
      this.#figures.prefetches++;
      const flight = this.#fly(idOf(object, index), (ended) => this.#download(object, index, ended));
      flight.readers++;
      flight.bytes
        // Whoever comes for it later asks again, and hears of the trouble.
        .catch(() => undefined)
        .finally(() => {
          this.#prefetching--;
          this.#prefetchNext();
        });
    }
  }

  #isNear({ object, index }: WantedChunk): boolean {
    const id = idOf(object, index);
    return this.#memory.has(id) || this.#flights.has(id) || this.#deps.files?.has(this.#place(object, index)) === true;
  }

  /** Has a turn, and gives it back. */
  async #download(object: ArchivedObject, index: number, ended: AbortSignal): Promise<Buffer> {
    const start = index * CHUNK_BYTES;
    const endExclusive = Math.min(start + CHUNK_BYTES, object.sizeBytes);
    try {
      this.#figures.requests++;
      const bytes = await this.#inTime(this.#deps.store.get(object.key, { start, endExclusive }, ended));
      this.#figures.requestedBytes += bytes.length;
      if (bytes.length !== endExclusive - start) {
        const { location } = this.#deps.store;
        const reason = `the object ends at byte ${start + bytes.length}, its manifest says ${object.sizeBytes}`;
        throw storeFailure({ code: "STORE_FAILED", location, key: object.key, reason });
      }
      this.#keep(idOf(object, index), bytes);
      this.#deps.files?.write(this.#place(object, index), bytes);
      return bytes;
    } finally {
      this.#turnOver();
    }
  }

  #inTime(answer: Promise<Buffer>): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(this.#unavailable(`no answer in ${DOWNLOAD_MS_MAX / 1_000} s`));
      const timer = this.#deps.clock.after(DOWNLOAD_MS_MAX, late);
      answer.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  #keep(id: string, bytes: Buffer): void {
    this.#memoryBytes += bytes.length - (this.#memory.get(id)?.length ?? 0);
    this.#memory.set(id, bytes);
    for (const [oldest, { length }] of this.#memory) {
      if (this.#memoryBytes <= MEMORY_BYTES_MAX) return;
      this.#memory.delete(oldest);
      this.#memoryBytes -= length;
    }
  }

  #place({ key }: ArchivedObject, index: number): { readonly object: string; readonly index: number } {
    return { object: `${this.#deps.store.location}\0${key}`, index };
  }

  #unavailable(reason: string): Error {
    return storeFailure({ code: "STORE_UNAVAILABLE", location: this.#deps.store.location, key: "", reason });
  }
}

function idOf({ key }: ArchivedObject, index: number): string {
  return `${key}#${index}`;
}
