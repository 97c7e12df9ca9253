/** The record of what mirrors have made on a target, over a compacted topic there. */

import type { KafkaClient } from "../client/kafka-client.ts";
import type { Clock } from "../core/clock.ts";
import type { MadeStore } from "../mirror/metadata/made-store.ts";
import { decodeMade, encodeMade, MADE_TOPIC, type MadeRecord, madeKey } from "../topology/made.ts";
import type { InternalTopic } from "./internal-topic.ts";
import { KafkaInternalTopic } from "./kafka-internal-topic.ts";
import { Shared } from "./shared-run.ts";

/** The store of a target; its topic is made when missing, unless it is only read. The client stays the caller's.
 *  @throws {ClientError} */
export async function openKafkaMade(
  options: { readonly readOnly?: boolean },
  deps: { readonly client: KafkaClient; readonly clock: Clock },
): Promise<KafkaMadeStore> {
  const createIfMissing = options.readOnly !== true;
  return new KafkaMadeStore(await KafkaInternalTopic.open({ name: MADE_TOPIC, createIfMissing }, deps));
}

/** Holds the latest record of each key, some 300 bytes each. */
export class KafkaMadeStore implements MadeStore {
  readonly #topic: InternalTopic;
  readonly #records = new Map<string, MadeRecord>();
  readonly #refresh = new Shared(() => this.#topic.readNew((key, value) => this.#apply(key, value)));

  constructor(topic: InternalTopic) {
    this.#topic = topic;
  }

  async list(): Promise<readonly MadeRecord[]> {
    await this.#refresh.run();
    return [...this.#records.values()];
  }

  put(records: readonly MadeRecord[]): Promise<void> {
    return this.#append(records, encodeMade);
  }

  remove(records: readonly MadeRecord[]): Promise<void> {
    return this.#append(records, () => null);
  }

  async #append(records: readonly MadeRecord[], toValue: (record: MadeRecord) => Buffer | null): Promise<void> {
    if (records.length === 0) return;
    await this.#topic.append(
      records.map((record) => ({ route: record.sourceClusterId, key: madeKey(record), value: toValue(record) })),
    );
  }

  #apply(key: string, value: Buffer | null): void {
    const record = value === null ? undefined : decodeMade(key, value);
    if (record === undefined) this.#records.delete(key);
    else this.#records.set(key, record);
  }
}
