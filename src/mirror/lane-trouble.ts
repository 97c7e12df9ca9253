/** What keeps a lane from going on, and how often that was what: thrown errors as the lane's faults, from the first until it copies again. */

import type { Clock } from "../core/clock.ts";
import { describeFault, TributaryError } from "../core/errors.ts";
import { WireError } from "../wire/errors.ts";
import { copiesFrom } from "./divergence.ts";
import { isLaneFault, type LaneFault, MirrorError } from "./errors.ts";
import type { LaneOptions } from "./lane-options.ts";
import type { OffsetMap } from "./offset-map.ts";

/** How often each fault was met. */
export type FaultCounts = Partial<Record<LaneFault["code"], number>>;

/** Trouble that is over. */
export interface PastTrouble {
  /** Its last fault. */
  readonly after: LaneFault["code"];
  readonly forMs: number;
}

/** Of one lane, for its whole life. */
export class LaneTrouble {
  readonly #clock: Clock;
  readonly #counts: FaultCounts = {};
  #fault: LaneFault | undefined;
  /** When the present trouble began. */
  #sinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the lane does not go on; undefined when it does. */
  get fault(): LaneFault | undefined {
    return this.#fault;
  }

  /** Since the lane was opened. */
  get counts(): FaultCounts {
    return { ...this.#counts };
  }

  /** Counts a fault that need not keep the lane from going on. */
  count({ code }: LaneFault): void {
    this.#counts[code] = (this.#counts[code] ?? 0) + 1;
  }

  /** The lane failed; true when it is another fault than before. */
  met(fault: LaneFault): boolean {
    const isNews = this.#fault === undefined || describeFault(this.#fault) !== describeFault(fault);
    this.#fault = fault;
    this.count(fault);
    this.#sinceMs ??= this.#clock.monotonicMs();
    return isNews;
  }

  /** The lane copies; what it has left behind, if anything. */
  over(): PastTrouble | undefined {
    if (this.#fault === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const past = { after: this.#fault.code, forMs: Math.round(nowMs - (this.#sinceMs ?? nowMs)) };
    this.#fault = undefined;
    this.#sinceMs = undefined;
    return past;
  }
}

/** An operating error as the lane's fault, with what only the lane's map tells; undefined for everything else, which is a bug. */
export function laneFaultOf(error: unknown, options: LaneOptions, map: OffsetMap | undefined): LaneFault | undefined {
  const { sourcePartition: source, targetPartition: target } = options;
  if (error instanceof MirrorError && isLaneFault(error.fault)) {
    const { fault } = error;
    if (fault.code !== "SOURCE_DIVERGED" || map === undefined) return fault;
    return { ...fault, copies: copiesFrom(map, fault.endOffset) };
  }
  if (error instanceof WireError) {
    const offset = map?.progress.sourceNext ?? -1n;
    const { topic, partition } = source;
    return { code: "SOURCE_CORRUPT", topic, partition, offset, what: error.message };
  }
  if (error instanceof TributaryError) {
    const { topic, partition } = target;
    return { code: "TARGET_UNAVAILABLE", topic, partition, why: error.message };
  }
  return undefined;
}
