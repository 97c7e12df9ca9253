/** One partition's reader: chunks that were fetched ahead, the position to fetch from, and whoever waits for the next. */

import type { MirrorError } from "../mirror/errors.ts";
import type { PartitionBounds, SourceChunk, SourcePosition, SourceReader, TopicPartition } from "../mirror/ports.ts";

/** Chunks fetched ahead of a reader: one it can take at once while the next is on its way. */
const CHUNKS_MAX = 2;

/** What a reader tells the source. */
export interface ReaderEvents {
  /** First call of `next`: from now on the reader is served. */
  readonly onOpen: (reader: KafkaReader) => void;
  /** It may be asked for again: somebody waits, or a chunk left the buffer. */
  readonly onWanting: (reader: KafkaReader) => void;
  /** Bytes that are held for it now, more or (negative) less. */
  readonly onHeld: (bytes: number) => void;
  readonly onClose: (reader: KafkaReader) => void;
}

interface Waiter {
  readonly resolve: (chunk: SourceChunk) => void;
  readonly reject: (error: unknown) => void;
}

/** See the file's comment. */
export class KafkaReader implements SourceReader {
  readonly at: TopicPartition;
  /** Where the next fetch begins. */
  position: SourcePosition;
  /** Since when nothing could be fetched; undefined while all is well. */
  troubledSinceMs: number | undefined;
  /** A replica that the leader told it to read from, and until when; undefined: the leader. */
  nearby: { readonly nodeId: number; readonly untilMs: number } | undefined;
  readonly #events: ReaderEvents;
  readonly #chunks: SourceChunk[] = [];
  #heldBytes = 0;
  #waiter: Waiter | undefined;
  #failure: MirrorError | undefined;
  #endOffset: bigint | undefined;
  #highWatermark: bigint | undefined;
  #startOffset: bigint | undefined;
  #opened = false;
  #closed = false;

  constructor(at: TopicPartition, from: SourcePosition, events: ReaderEvents) {
    this.at = at;
    this.position = from;
    this.#events = events;
  }

  get endOffset(): bigint | undefined {
    return this.#endOffset;
  }
  get highWatermark(): bigint | undefined {
    return this.#highWatermark;
  }
  get startOffset(): bigint | undefined {
    return this.#startOffset;
  }
  get isClosed(): boolean {
    return this.#closed;
  }
  /** True while another chunk may be fetched for it. */
  get wantsMore(): boolean {
    return !this.#closed && this.#failure === undefined && this.#chunks.length < CHUNKS_MAX;
  }
  /** True while nothing is buffered. */
  get isDrained(): boolean {
    return this.#chunks.length === 0;
  }
  /** True when somebody waits for a chunk: then it is served even when others have used up the budget. */
  get isStarved(): boolean {
    return this.#waiter !== undefined;
  }

  next(signal: AbortSignal): Promise<SourceChunk> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (!this.#opened) {
      this.#opened = true;
      this.#events.onOpen(this);
    }
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#events.onWanting(this);
      return Promise.resolve(chunk);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.#wait(signal);
  }

  #wait(signal: AbortSignal): Promise<SourceChunk> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiter = undefined;
        reject(signal.reason);
      };
      const done = (): void => {
        this.#waiter = undefined;
        signal.removeEventListener("abort", onAbort);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiter = {
        resolve: (chunk) => {
          done();
          resolve(chunk);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      this.#events.onWanting(this);
    });
  }

  /** Answers tell where the log begins and ends, records or not. */
  saw({ startOffset, endOffset, highWatermark }: PartitionBounds & { readonly highWatermark: bigint }): void {
    this.#startOffset = startOffset;
    this.#endOffset = endOffset;
    this.#highWatermark = highWatermark;
  }

  /** Hands a chunk over, or keeps it for the next call. "A chunk is held until it is released", which is what budgets count: a lane
   *  that waits for acknowledgements holds as much memory as one that was not asked. */
  deliver(fetched: SourceChunk, next: SourcePosition): void {
    if (this.#closed) {
      fetched.release();
      return;
    }
    this.position = next;
    const bytes = fetched.records.length;
    let isHeld = true;
    const release = (): void => {
      if (isHeld) this.#hold(-bytes);
      isHeld = false;
      fetched.release();
    };
    this.#hold(bytes);
    const chunk = { ...fetched, release };
    if (this.#waiter !== undefined) {
      this.#waiter.resolve(chunk);
      return;
    }
    this.#chunks.push(chunk);
  }

  /** Ends the reader; chunks already buffered are still handed out before. */
  fail(error: MirrorError): void {
    if (this.#failure !== undefined || this.#closed) return;
    this.#failure = error;
    this.#waiter?.reject(error);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.onClose(this);
    // What a lane took and never released, because it failed, is the garbage collector's from now on.
    this.#events.onHeld(-this.#heldBytes);
    this.#heldBytes = 0;
    this.#chunks.length = 0;
  }

  #hold(bytes: number): void {
    if (this.#closed) return;
    this.#heldBytes += bytes;
    this.#events.onHeld(bytes);
  }
}
