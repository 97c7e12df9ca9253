/** How many records of the flights are on the target by now: decides when trouble strikes, and what the progress line
 *  shows. It proves nothing, so it may use the product's own client, which does not wait for a broker that is away. */

import type { KafkaClient } from "../client/kafka-client.ts";
import { AT_END, listOffsets } from "../client/list-offsets.ts";
import { openClient } from "../runtime/connect.ts";
import { parseEndpoint } from "../topology/model.ts";
import type { RegionAccess } from "./region-access.ts";

/** A leader that does not answer in this time counts as it last did. */
const ASK_TIMEOUT_MS = 1_000;

/** Counts by log ends: exact while each record is there once. */
export class ProgressMeter implements AsyncDisposable {
  readonly #client: KafkaClient;
  readonly #partitions: readonly { readonly topic: string; readonly index: number }[];
  readonly #ends = new Map<string, bigint>();

  private constructor(client: KafkaClient, topics: readonly string[], partitions: number) {
    this.#client = client;
    this.#partitions = topics.flatMap((topic) => Array.from({ length: partitions }, (_, index) => ({ topic, index })));
  }

  /** Connects; the topics need not exist yet. Every topic has as many `partitions`. */
  static async open(target: RegionAccess, topics: readonly string[], partitions: number): Promise<ProgressMeter> {
    const bootstrap = target.bootstrap.flatMap((address) => parseEndpoint(address) ?? []);
    const address = { region: target.region, bootstrap, kind: "external" } as const;
    return new ProgressMeter(await openClient(address, { clientId: "quickstart-meter" }), topics, partitions);
  }

  /** Records on the target. A topic that does not exist yet holds none; a partition whose leader is moving holds what it
   *  held when it last answered. */
  async mirrored(): Promise<number> {
    // One call for each leader, so that those who answer need not wait for the one who does not.
    const byLeader = Map.groupBy(this.#partitions, ({ topic, index }) => {
      return this.#client.metadata.leaderOf(topic, index)?.leaderId ?? -1;
    });
    await Promise.all([...byLeader.values()].map((partitions) => this.#refresh(partitions)));
    return Number([...this.#ends.values()].reduce((sum, end) => sum + end, 0n));
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #refresh(partitions: readonly { readonly topic: string; readonly index: number }[]): Promise<void> {
    const questions = partitions.map((one) => ({ ...one, timestampMs: AT_END }));
    try {
      const answers = await listOffsets(this.#client, questions, { timeoutMs: ASK_TIMEOUT_MS });
      for (const { topic, index, errorCode, offset } of answers) {
        if (errorCode === 0) this.#ends.set(`${topic}-${index}`, offset);
      }
    } catch {
      // Asked again a moment later; what never comes shows as a timeout of whoever waits for it.
    }
  }
}
