/** How many records of the flights are on the target by now, asked with a stock client that stays connected. */

import type { Admin } from "kafkajs";
import { type RegionAccess, stockClient } from "./region-access.ts";

/** Counts by log ends: exact while each record is there once, and never less than what is there. */
export class ProgressMeter implements AsyncDisposable {
  readonly #admin: Admin;
  readonly #topics: readonly string[];
  readonly #ends = new Map<string, bigint>();

  private constructor(admin: Admin, topics: readonly string[]) {
    this.#admin = admin;
    this.#topics = topics;
  }

  static async open(target: RegionAccess, topics: readonly string[]): Promise<ProgressMeter> {
    const admin = stockClient(target).admin({ retry: { retries: 2, initialRetryTime: 20, maxRetryTime: 100 } });
    await admin.connect();
    return new ProgressMeter(admin, topics);
  }

  /** Records on the target. A topic that does not exist yet holds none; one whose leader is moving holds what it held
   *  when it last answered. */
  async mirrored(): Promise<number> {
    await Promise.all(this.#topics.map((topic) => this.#refresh(topic)));
    return Number([...this.#ends.values()].reduce((sum, end) => sum + end, 0n));
  }

  close(): Promise<void> {
    return this.#admin.disconnect();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #refresh(topic: string): Promise<void> {
    try {
      for (const { partition, high } of await this.#admin.fetchTopicOffsets(topic)) {
        this.#ends.set(`${topic}-${partition}`, BigInt(high));
      }
    } catch {
      // Asked again a moment later; what never comes shows as a timeout of whoever waits for it.
    }
  }
}
