/** One direction between two places of a memory network: its latency, its faults, and the bytes on their way. */

import type { Clock, Timer } from "../core/clock.ts";
import { type Random, randomInt } from "../core/random.ts";

/** What a link does with bytes.
 *  - `open`: delivers them in order after the latency
 *  - `held`: keeps them, as TCP does while packets are lost, and delivers them once open again
 *  - `lost`: swallows them; a connection that lost bytes is reset once the link changes again
 *  - `cut`: resets every connection and refuses new ones */
export type LinkMode = "open" | "held" | "lost" | "cut";

/** Properties of one direction. */
export interface LinkSettings {
  readonly mode: LinkMode;
  /** Delay of every write, milliseconds. */
  readonly latencyMs: number;
  /** Up to this much is added at random; order is kept. */
  readonly jitterMs: number;
}

/** An undisturbed direction without delay. */
export const OPEN_LINK: LinkSettings = { mode: "open", latencyMs: 0, jitterMs: 0 };

/** What flows in a pipe. */
type Item =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly dueMs: number }
  | { readonly kind: "end" | "reset"; readonly dueMs: number };

/** What the receiving end of a pipe is told. */
export interface PipeReceiver {
  /** False holds delivery back until `pump` is called. */
  readonly ready: () => boolean;
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onEnd: () => void;
  readonly onReset: () => void;
  /** Called when what is under way falls below the mark. */
  readonly onRoom: () => void;
}

/** Bounds and behaviour that all pipes of a network share. */
export interface PipeOptions {
  /** `push` answers false above this. */
  readonly bufferBytesMax: number;
  /** Largest piece delivered at once. */
  readonly pieceBytesMax: number;
  /** Cuts pieces at random places, so that receivers meet every split of a frame. */
  readonly randomPieces: boolean;
}

/** The bytes of one connection in one direction, in order. */
export class Pipe {
  readonly #options: PipeOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #receiver: PipeReceiver;
  #settings: LinkSettings;
  #items: Item[] = [];
  #bytes = 0;
  #lastDueMs = 0;
  #timer: Timer | undefined;
  #full = false;
  #lostBytes = false;
  #delivering = false;
  #closed = false;

  constructor(
    options: PipeOptions & { readonly settings: LinkSettings },
    deps: { readonly clock: Clock; readonly random: Random; readonly receiver: PipeReceiver },
  ) {
    this.#options = options;
    this.#settings = options.settings;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#receiver = deps.receiver;
  }

  /** Sends bytes; false when more than the mark is under way. */
  push(parts: readonly Uint8Array[]): boolean {
    if (this.#closed) return true;
    if (this.#settings.mode === "lost") {
      this.#lostBytes = true;
      return true;
    }
    const dueMs = this.#dueMs();
    for (const bytes of parts) {
      if (bytes.byteLength === 0) continue;
      this.#items.push({ kind: "bytes", bytes, dueMs });
      this.#bytes += bytes.byteLength;
    }
    this.pump();
    this.#full = this.#bytes >= this.#options.bufferBytesMax;
    return !this.#full;
  }

  /** Sends the end of the stream behind everything pushed. */
  end(): void {
    this.#items.push({ kind: "end", dueMs: this.#dueMs() });
    this.pump();
  }

  /** Drops what is under way and sends a reset instead. */
  reset(): void {
    this.#items = [{ kind: "reset", dueMs: this.#dueMs() }];
    this.#bytes = 0;
    this.pump();
  }

  /** Applies new properties; answers true when the connection has to be reset. */
  change(settings: LinkSettings): boolean {
    this.#settings = settings;
    if (settings.mode === "cut" || (this.#lostBytes && settings.mode !== "lost")) return true;
    this.pump();
    return false;
  }

  /** Tells the receiver of a reset at once, whatever the link does. */
  abort(): void {
    if (!this.#closed) this.#receiver.onReset();
  }

  /** Delivers nothing any more. */
  close(): void {
    this.#closed = true;
    this.#items = [];
    this.#timer?.cancel();
  }

  /** Delivers what is due, later in another turn; harmless when nothing is. */
  pump(): void {
    const head = this.#items[0];
    if (head === undefined || this.#closed || this.#delivering || this.#settings.mode !== "open") return;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(Math.max(0, head.dueMs - this.#clock.monotonicMs()), () => this.#deliver());
  }

  #deliver(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#delivering = true;
    while (!this.#closed && this.#settings.mode === "open") {
      const head = this.#items[0];
      if (head === undefined || head.dueMs > nowMs) break;
      if (head.kind !== "reset" && !this.#receiver.ready()) break;
      this.#items.shift();
      if (head.kind === "bytes") this.#deliverBytes(head);
      else if (head.kind === "end") this.#receiver.onEnd();
      else this.#receiver.onReset();
    }
    this.#delivering = false;
    const head = this.#items[0];
    if (head !== undefined && (head.kind === "reset" || this.#receiver.ready())) this.pump();
    if (this.#full && this.#bytes < this.#options.bufferBytesMax) {
      this.#full = false;
      this.#receiver.onRoom();
    }
  }

  /** The receiver gets a copy that is overwritten after the call, so that keeping a chunk shows as damage. */
  #deliverBytes(item: { readonly bytes: Uint8Array; readonly dueMs: number }): void {
    const limitBytes = Math.min(item.bytes.byteLength, this.#options.pieceBytesMax);
    const pieceBytes = this.#options.randomPieces ? 1 + randomInt(this.#random, limitBytes) : limitBytes;
    if (pieceBytes < item.bytes.byteLength) {
      this.#items.unshift({ kind: "bytes", bytes: item.bytes.subarray(pieceBytes), dueMs: item.dueMs });
    }
    this.#bytes -= pieceBytes;
    const chunk = Uint8Array.from(item.bytes.subarray(0, pieceBytes));
    this.#receiver.onBytes(chunk);
    chunk.fill(0xdb);
  }

  #dueMs(): number {
    const { latencyMs, jitterMs } = this.#settings;
    const dueMs = this.#clock.monotonicMs() + latencyMs + (jitterMs === 0 ? 0 : this.#random.next() * jitterMs);
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    return this.#lastDueMs;
  }
}
