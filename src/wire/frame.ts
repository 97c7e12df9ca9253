/** Frames on a Kafka connection: an int32 length, then that many bytes. */

import { assertInvariant } from "../core/errors.ts";
import { WireError } from "./errors.ts";
import type { FramePool } from "./frame-pool.ts";

/** Largest frame accepted by default: Kafka's `socket.request.max.bytes`. */
export const DEFAULT_FRAME_BYTES_MAX = 100 * 1024 * 1024;

/** Below this the rest of a frame is not worth a read of its own. */
const DIRECT_BYTES_MIN = 32 * 1024;

/** Reassembles frames from chunks of any size. A chunk is copied once, into the memory of its frame, unless it was read right
 *  into `room`. After an error the decoder is spent: the connection has to be closed. */
export class FrameDecoder {
  readonly #limitBytes: number;
  readonly #pool: FramePool | undefined;
  readonly #prefix = Buffer.alloc(4);
  #prefixBytes = 0;
  #frame: Buffer | undefined;
  #filledBytes = 0;

  /** Frames come from `pool` where there is one; whoever gets them decides about their release. */
  constructor(limitBytes = DEFAULT_FRAME_BYTES_MAX, pool?: FramePool) {
    this.#limitBytes = limitBytes;
    this.#pool = pool;
  }

  /** Where the stream's next bytes may be written, to be handed to `push` as a view of it; undefined when the frame under way
   *  lacks too little. */
  get room(): Uint8Array | undefined {
    if (this.#frame === undefined || this.#frame.length - this.#filledBytes < DIRECT_BYTES_MIN) return undefined;
    return this.#frame.subarray(this.#filledBytes);
  }

  /** Takes a chunk, which may be reused after the call, and hands every frame it completes to `onFrame`.
   *  @throws {WireError} `WIRE_FRAME_TOO_LARGE` or `WIRE_BAD_LENGTH`, before anything is allocated */
  push(chunk: Uint8Array, onFrame: (frame: Buffer) => void): void {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#frame === undefined) {
        at = this.#takePrefix(chunk, at);
        if (this.#prefixBytes < 4) return;
        this.#begin();
      }
      const frame = this.#frame;
      if (frame === undefined) return;
      const take = Math.min(frame.length - this.#filledBytes, chunk.byteLength - at);
      if (chunk.buffer === frame.buffer) {
        const isNext = chunk.byteOffset === frame.byteOffset + this.#filledBytes && take === chunk.byteLength;
        assertInvariant(isNext, "bytes read into a frame continue it");
      } else
        frame.set(at === 0 && take === chunk.byteLength ? chunk : chunk.subarray(at, at + take), this.#filledBytes);
      this.#filledBytes += take;
      at += take;
      if (this.#filledBytes < frame.length) return;
      this.#frame = undefined;
      this.#prefixBytes = 0;
      onFrame(frame);
    }
  }

  #takePrefix(chunk: Uint8Array, start: number): number {
    let at = start;
    while (this.#prefixBytes < 4 && at < chunk.byteLength) this.#prefix[this.#prefixBytes++] = chunk[at++] ?? 0;
    return at;
  }

  #begin(): void {
    const frameBytes = this.#prefix.readInt32BE(0);
    if (frameBytes > this.#limitBytes)
      throw new WireError({ code: "WIRE_FRAME_TOO_LARGE", frameBytes, limitBytes: this.#limitBytes });
    // The shortest frame of the protocol is a correlation id.
    if (frameBytes < 4)
      throw new WireError({ code: "WIRE_BAD_LENGTH", what: "frame", length: frameBytes, limit: this.#limitBytes });
    this.#frame = this.#pool?.take(frameBytes) ?? Buffer.allocUnsafeSlow(frameBytes);
    this.#filledBytes = 0;
  }
}
