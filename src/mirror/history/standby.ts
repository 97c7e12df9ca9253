/** Who gives way to whom in history mode: two workers that opened writers in turn would only abort each other's transactions. It is
 *  a matter of courtesy; whatever is decided here, only one of them can commit.
 *
 *  A dead holder and a slow one look alike: both stop committing. What tells them apart sooner is the worker's name in the record:
 *  a worker that finds its own name when it starts is what came of the holder. And right before it opens a writer, each looks whether
 *  somebody else has done so and did not come to its first commit yet. */

import type { Clock } from "../../core/clock.ts";
import type { OpenedWriter, Peeked } from "./ports.ts";
import type { HistoryRecord } from "./record.ts";

/** A lane whose record did not change for this long is free if there is something to copy: two transactions would have fit in. */
export const STANDBY_MS = 1_000;
/** ... and if there is nothing to copy: a holder that lives returns to live mode about then. */
export const IDLE_STANDBY_MS = 10_000;
/** The wait doubles as often as a worker opened writers in vain, up to 16 s: of two that take longer for their first commit than the
 *  other one waits, one gives in. It is short again once the other one commits in time. */
const DOUBLINGS_MAX = 4;

/** A record that this worker sees first and another one wrote may be followed by a successor that has just been started, too: whoever
 *  knows the lane for its own goes first, and needs about so long until that shows. */
export const HEAD_START_MS = 800;

/** Where another worker opened a writer of a lane, this worker's successor lets it have this long for its first commit: it may be no more
 *  than a reader that ended a transaction. Strangers wait as long as for any change. */
export const RIVAL_MS = 600;

/** `taken`: another worker seems to write the lane. `resting`: it would have committed by now, if there was anything to commit. */
export type Look = "free" | "taken" | "resting";

/** What one lane knows of its record's changes. */
export class Standby {
  readonly #clock: Clock;
  readonly #worker: string;
  /** Whose writer was the last one this worker knows of. */
  #holder: "unknown" | "this" | "another" = "unknown";
  #seen: string | undefined;
  /** When the record changed last, by the monotonic clock. */
  #sinceMs = 0;
  #isFruitless = false;
  #fruitless = 0;
  /** The writer that another worker opened behind the record, and when this one heard of it. */
  #rival: { readonly name: string; readonly sinceMs: number } | undefined;
  /** How far another worker's record was, and when it came to be there. */
  #commit: { readonly sourceNext: bigint; readonly atMs: number } | undefined;
  /** How long this worker's latest transaction took: another one's may take as long. */
  #tookMs = 0;

  /** `worker` is this worker's name in records; empty when it has none. */
  constructor(clock: Clock, worker: string) {
    this.#clock = clock;
    this.#worker = worker;
  }

  /** This worker opened a writer. */
  opened(): void {
    this.#isFruitless = true;
  }

  /** This worker's writer was fenced. */
  fenced(): void {
    if (this.#isFruitless) this.#fruitless = Math.min(this.#fruitless + 1, DOUBLINGS_MAX);
    this.#isFruitless = false;
    this.#holder = "another";
    this.#seen = undefined;
    this.#sinceMs = this.#clock.monotonicMs();
  }

  /** This worker's writer committed a transaction that had been open for so long. */
  committed(tookMs: number): void {
    this.#holder = "this";
    this.#isFruitless = false;
    this.#fruitless = 0;
    this.#tookMs = tookMs;
  }

  /** To be asked again and again while a lane is taken: the record is young, or has changed since. Where clocks differ, the looks
   *  after the first one decide. */
  look({ record, writerEpoch }: Peeked): Look {
    if (this.#holder === "this") return "free";
    const isHeld = record?.mode === "history";
    if (this.#holder === "unknown" && (!isHeld || this.#isOurs(record))) return "free";
    const nowMs = this.#clock.monotonicMs();
    const now = textOf({ record, writerEpoch });
    const hasChanged = this.#seen !== undefined && this.#seen !== now;
    if (hasChanged && !isHeld) this.#holder = "unknown";
    if (hasChanged) this.#sinceMs = nowMs;
    else if (this.#seen === undefined && this.#holder === "unknown")
      this.#sinceMs =
        nowMs - Math.min(Math.max(0, this.#clock.nowMs() - (record?.updatedMs ?? 0)), STANDBY_MS - HEAD_START_MS);
    this.#seen = now;
    if (isHeld) this.#noteCommit(record, nowMs);
    if (this.#holder === "unknown" && !isHeld) return "free";
    const restedMs = nowMs - this.#sinceMs;
    const patienceMs = this.#patienceMs;
    if (restedMs < patienceMs) return "taken";
    return isHeld && restedMs < Math.max(patienceMs, IDLE_STANDBY_MS) ? "resting" : "free";
  }

  #noteCommit({ progress: { sourceNext } }: HistoryRecord, nowMs: number): void {
    if (this.#commit?.sourceNext === sourceNext) return;
    if (this.#commit !== undefined && nowMs - this.#commit.atMs < STANDBY_MS) this.#fruitless = 0;
    this.#commit = { sourceNext, atMs: nowMs };
  }

  /** True when this worker is the last one that committed: no other one can have opened a writer without fencing it. */
  get isHolder(): boolean {
    return this.#holder === "this";
  }

  /** To be asked right before a writer is opened: whether another one that was opened behind the record may still come to commit. */
  yields(record: HistoryRecord, opened: OpenedWriter | undefined): boolean {
    const { producerId = -1n, epoch = -1 } = record.stretches.at(-1) ?? {};
    if (opened === undefined || (opened.producerId === producerId && opened.epoch <= epoch)) return false;
    const name = `${opened.producerId}/${opened.epoch}`;
    const nowMs = this.#clock.monotonicMs();
    if (this.#rival?.name !== name) this.#rival = { name, sinceMs: nowMs };
    return nowMs - this.#rival.sinceMs < (this.#isOurs(record) ? RIVAL_MS : this.#patienceMs);
  }

  get #patienceMs(): number {
    return Math.max(STANDBY_MS * 2 ** this.#fruitless, 2 * this.#tookMs);
  }

  #isOurs({ worker }: HistoryRecord): boolean {
    return worker !== "" && worker === this.#worker;
  }
}

/** What is above the epoch with which a dead writer's transaction is aborted was left by the next writer. */
const OPENED_EPOCHS = 2;

/** Differs from one transaction to the next, and from one writer to the next. */
function textOf({ record, writerEpoch }: Peeked): string {
  if (record === undefined) return "";
  const { mode, stretches, progress } = record;
  const { producerId = -1n, epoch = -1 } = stretches.at(-1) ?? {};
  const opened = writerEpoch >= epoch + OPENED_EPOCHS ? writerEpoch : epoch;
  return `${mode}/${producerId}/${opened}/${progress.sourceNext}`;
}
