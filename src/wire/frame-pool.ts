/** Memory of large frames that is used again: fresh memory costs a page fault for each 4 KiB, and pressure on the collector. */

/** Smaller frames cost less than keeping book of them. */
export const POOLED_FRAME_BYTES_MIN = 64 * 1024;

/** Larger frames are rare (one huge batch) and not worth keeping. */
const POOLED_FRAME_BYTES_MAX = 16 * 1024 * 1024;

/** A frame may take the place of one that was so many times larger; more would hold too much for little. */
const SPARE_FACTOR_MAX = 8;

/** Memory that waits to be used again; frames in use come on top. More than is lent at once where brokers are near; twice as much was
 *  measured to spare no page faults. */
const DEFAULT_FREE_FRAME_BYTES_MAX = 12 * 1024 * 1024;

/** What released frames are filled with in poison mode: no valid batch length, magic or record. */
const POISON = 0xdb;

/** Options of a pool. */
export interface FramePoolOptions {
  readonly freeBytesMax?: number | undefined;
  /** Told when free memory begins to wait, so that somebody may `trim` it now and then. */
  readonly onFree?: (() => void) | undefined;
  /** Overwrites what is released, so that tests notice whoever reads it afterwards. Small frames are pooled, too, then. */
  readonly poison?: boolean | undefined;
}

/** Lends frames. One that is never given back belongs to the garbage collector, so forgetting is safe; giving back too early
 *  is not: "A frame is used again only after everything read from it is acknowledged" is the borrower's to keep. */
export class FramePool {
  readonly #freeBytesMax: number;
  readonly #onFree: (() => void) | undefined;
  readonly #poison: boolean;
  readonly #pooledBytesMin: number;
  /** By capacity, a power of two; the last one released is the warmest. */
  readonly #free = new Map<number, ArrayBufferLike[]>();
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #freeBytes = 0;
  /** The least that has waited since the last `trim`: nobody has needed it. */
  #spareBytes = 0;

  constructor({ freeBytesMax = DEFAULT_FREE_FRAME_BYTES_MAX, poison = false, onFree }: FramePoolOptions = {}) {
    this.#freeBytesMax = freeBytesMax;
    this.#onFree = onFree;
    this.#poison = poison;
    this.#pooledBytesMin = poison ? 1 : POOLED_FRAME_BYTES_MIN;
  }

  /** Memory that waits to be used again. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** A frame with undefined contents; small and huge ones are not pooled. */
  take(frameBytes: number): Buffer {
    if (frameBytes < this.#pooledBytesMin || frameBytes > POOLED_FRAME_BYTES_MAX)
      return Buffer.allocUnsafeSlow(frameBytes);
    const capacityBytes = 2 ** Math.ceil(Math.log2(frameBytes));
    const memory = this.#spare(capacityBytes) ?? Buffer.allocUnsafeSlow(capacityBytes).buffer;
    this.#lent.add(memory);
    return Buffer.from(memory, 0, frameBytes);
  }

  /** Gives back the frame that `view` lies in. Does nothing when the frame is not this pool's or was given back already. */
  release(view: Uint8Array): void {
    const memory = view.buffer;
    if (!this.#lent.delete(memory)) return;
    if (this.#poison) new Uint8Array(memory).fill(POISON);
    if (this.#freeBytes + memory.byteLength > this.#freeBytesMax) {
      giveUp(memory);
      return;
    }
    const wasEmpty = this.#freeBytes === 0;
    this.#freeBytes += memory.byteLength;
    const free = this.#free.get(memory.byteLength);
    if (free === undefined) this.#free.set(memory.byteLength, [memory]);
    else free.push(memory);
    if (wasEmpty) this.#onFree?.();
  }

  /** Lets go of memory that has waited ever since the last call: what a burst needed is not kept for a trickle. */
  trim(): void {
    for (const [bytes, free] of this.#free) {
      while (bytes <= this.#spareBytes) {
        const memory = free.shift();
        if (memory === undefined) break;
        this.#spareBytes -= bytes;
        this.#freeBytes -= bytes;
        giveUp(memory);
      }
    }
    this.#spareBytes = this.#freeBytes;
  }

  /** The smallest free memory that is large enough. */
  #spare(capacityBytes: number): ArrayBufferLike | undefined {
    for (let bytes = capacityBytes; bytes <= capacityBytes * SPARE_FACTOR_MAX; bytes *= 2) {
      const memory = this.#free.get(bytes)?.pop();
      if (memory === undefined) continue;
      this.#freeBytes -= bytes;
      this.#spareBytes = Math.min(this.#spareBytes, this.#freeBytes);
      return memory;
    }
    return undefined;
  }
}

/** Frees it now: an idle process would not collect it for minutes. Whoever still had a view of it would find that one empty. */
function giveUp(memory: ArrayBufferLike): void {
  if (memory instanceof ArrayBuffer) memory.transfer(0);
}
