/** A queue between one or more producers and one consumer that is bounded in bytes, not in items. */

/** What waits in the queue. */
interface Entry<T> {
  readonly item: T;
  readonly bytes: number;
}

/** Bounded by `limitBytes`; an item larger than the limit is admitted when the queue is empty, so nothing starves. */
export class ByteQueue<T> {
  readonly #limitBytes: number;
  readonly #entries: Entry<T>[] = [];
  #bytes = 0;
  #closed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriters: (() => void)[] = [];

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes waiting. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** True while another item of any size may be pushed without waiting. */
  get hasRoom(): boolean {
    return this.#entries.length === 0 || this.#bytes < this.#limitBytes;
  }

  /** Adds at once, even above the limit; the caller is expected to have asked `hasRoom`. */
  push(item: T, bytes: number): void {
    if (this.#closed) return;
    this.#entries.push({ item, bytes });
    this.#bytes += bytes;
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }

  /** Resolves when there is room, or the queue is closed. */
  async room(): Promise<void> {
    while (!this.hasRoom && !this.#closed) {
      await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
    }
  }

  /** The next item without waiting. */
  shift(): T | undefined {
    const entry = this.#entries.shift();
    if (entry === undefined) return undefined;
    this.#bytes -= entry.bytes;
    if (this.hasRoom && this.#wakeWriters.length > 0) {
      const wake = this.#wakeWriters;
      this.#wakeWriters = [];
      for (const resume of wake) resume();
    }
    return entry.item;
  }

  /** The next item; undefined once the queue is closed and empty. One reader at a time. */
  async take(): Promise<T | undefined> {
    while (true) {
      const item = this.shift();
      if (item !== undefined || this.#closed) return item;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  /** Wakes everybody; items already queued can still be taken. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#wakeReader?.();
    this.#wakeReader = undefined;
    for (const resume of this.#wakeWriters) resume();
    this.#wakeWriters = [];
  }
}
