/** The lanes the other way that this worker does not run, as far as they are stored on their target: without them a group's position
 *  in a topic that both sides write cannot be told. */

import { nodeClock } from "../adapters/node-clock.ts";
import { sleep } from "../core/clock.ts";
import { TributaryError } from "../core/errors.ts";
import { reverseLane } from "../mirror/lane-id.ts";
import { LoopWatch } from "../mirror/loop-watch.ts";
import {
  type LaneIdentity,
  type LaneKey,
  laneKey,
  type ProgressStore,
  type ReverseLane,
} from "../mirror/offset-ports.ts";

/** Reading a large map costs milliseconds, and a lane stores its own about once a second. */
const REFRESH_EVERY_MS = 5_000;

/** A store that is opened to be looked at. */
export type OpenStored = () => Promise<Pick<ProgressStore, "load"> & AsyncDisposable>;

/** Works from `run` until its signal. */
export class StoredReverse {
  readonly #open: OpenStored;
  /** Lanes asked about, with their stored maps; bounded by the flow's lanes. */
  readonly #lanes = new Map<LaneKey, { readonly lane: LaneIdentity; map: ReverseLane | undefined }>();
  /** Stays open, and then reads only what is new. */
  #store: Awaited<ReturnType<OpenStored>> | undefined;
  #wake = (): void => {};

  constructor(open: OpenStored) {
    this.#open = open;
  }

  /** The lane the other way as it was stored seconds ago; undefined when nothing is stored, or not read yet. */
  of(lane: LaneIdentity): ReverseLane | undefined {
    const reverse = reverseLane(lane);
    const known = this.#lanes.get(laneKey(reverse));
    if (known === undefined) {
      this.#lanes.set(laneKey(reverse), { lane: reverse, map: undefined });
      this.#wake();
    }
    return known?.map;
  }

  /** Reads what is asked about, again and again. What cannot be read stays as it was: behind, and therefore never wrong. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const asked = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await this.#refresh().catch((error: unknown) => this.#failed(error));
      const pause = sleep(nodeClock(), REFRESH_EVERY_MS, signal).catch(() => undefined);
      await (this.#lanes.size === 0 ? Promise.race([pause, asked]) : pause);
    }
    await this.#forget();
  }

  async #refresh(): Promise<void> {
    if (this.#lanes.size === 0) return;
    const store = this.#store ?? (await this.#open());
    this.#store = store;
    for (const known of this.#lanes.values()) {
      const { map } = await store.load(known.lane);
      // Nobody has watched for loops: only the records that it carried say where none can be.
      const loops = new LoopWatch();
      if (map !== undefined)
        known.map = {
          reverse: (offset) => map.reverse(offset),
          foreignFrom: (offset) => loops.foreignFrom(offset, map),
        };
    }
    // Opened before anything was stored there, it would stay empty.
    if ([...this.#lanes.values()].every(({ map }) => map === undefined)) await this.#forget();
  }

  async #failed(error: unknown): Promise<void> {
    if (!(error instanceof TributaryError)) throw error;
    await this.#forget();
  }

  async #forget(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    await store?.[Symbol.asyncDispose]();
  }
}
