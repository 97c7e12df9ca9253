/** Regions, embedded ones and others, producers and readers that use the plain client, and mirror workers between them. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openKafkaProgress } from "../../src/adapters/kafka-progress.ts";
import { KafkaSource } from "../../src/adapters/kafka-source.ts";
import { KafkaTarget } from "../../src/adapters/kafka-target.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import type { RegionOptions } from "../../src/broker/region-options.ts";
import { createTopics } from "../../src/client/admin.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { askLeaders } from "../../src/client/leaders.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Endpoint } from "../../src/core/network.ts";
import { AbortedTransactions } from "../../src/mirror/aborted.ts";
import { Flow } from "../../src/mirror/flow.ts";
import type { FlowDeps, FlowOptions } from "../../src/mirror/flow-options.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import { compilePattern, type Selection } from "../../src/topology/patterns.ts";
import { asBatches } from "../../src/wire/message-set.ts";
import { type BatchView, batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, type EncodeOptions, encodeBatch } from "../../src/wire/records.ts";

const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };

/** A record as compared between the two sides. */
export interface Seen {
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly key: string | undefined;
  readonly value: string | undefined;
  /** `name=value` of each. */
  readonly headers: readonly string[];
}

/** A cluster and a client of its own for the test's needs. */
export interface Side {
  readonly region: { readonly endpoints: readonly Endpoint[] };
  readonly client: KafkaClient;
}

/** An embedded region. */
export interface EmbeddedSide extends Side {
  readonly region: EmbeddedRegion;
}

/** A mirror worker: its own connections, stores and flow. */
export interface MirrorWorker {
  readonly flow: Flow;
  /** Cuts all its connections without a goodbye. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** A selection by globs. */
export function selection(...globs: string[]): Selection {
  const include = globs.map((glob) => {
    const pattern = compilePattern(glob);
    if ("problem" in pattern) throw new Error(pattern.problem);
    return pattern;
  });
  return { include, exclude: [] };
}

/** See the file's comment. Disposing of it closes everything. */
export class MirrorWorld implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), "mirror-"));
  readonly #open: (() => Promise<void>)[] = [];
  #values = 0;

  /** Starts a region. */
  async side(name: string, options: Partial<RegionOptions> = {}, storage = nodeStorage()): Promise<EmbeddedSide> {
    const directory = join(this.#directory, name);
    const region = await EmbeddedRegion.open({ directory, ...options }, { ...deps, storage });
    this.#open.push(() => region.close());
    const client = await this.#client(region);
    return { region, client };
  }

  /** A cluster that somebody else started. */
  async foreignSide(endpoints: readonly Endpoint[]): Promise<Side> {
    const region = { endpoints };
    return { region, client: await this.#client(region) };
  }

  async #client(region: Side["region"]): Promise<KafkaClient> {
    const options = { bootstrap: [...region.endpoints], clientId: "mirror-test", frames: { poison: true } };
    const client = await KafkaClient.open(options, deps);
    this.#open.push(() => client.close());
    return client;
  }

  /** Starts a worker of the flow from `source` to `target`. */
  async worker(
    source: Side,
    target: Side,
    options: Partial<FlowOptions> = {},
    more: Pick<FlowDeps, "barred"> = {},
  ): Promise<MirrorWorker> {
    const [sourceClient, targetClient] = [await this.#client(source.region), await this.#client(target.region)];
    const progress = await openKafkaProgress({ saveIntervalMs: 100 }, { ...deps, client: targetClient });
    const flow = Flow.open(
      {
        name: "test",
        topics: selection("*"),
        naming: namingOf("{source}.{topic}", { source: "west", target: "central", mirror: "test" }),
        delivery: "exactly-once",
        start: "earliest",
        onGap: "stop",
        onRecreate: "stop",
        provenance: "all",
        discoverEveryMs: 100,
        ...options,
      },
      {
        ...deps,
        source: new KafkaSource({}, { ...deps, client: sourceClient }),
        target: new KafkaTarget({ ...deps, client: targetClient }),
        progress,
        ...more,
      },
    );
    const cut = async (): Promise<void> => {
      await Promise.all([sourceClient.close(), targetClient.close()]);
    };
    let stopped = false;
    const stop = async (): Promise<void> => {
      if (stopped) return;
      stopped = true;
      await flow.close();
      await progress.close();
      await cut();
    };
    this.#open.push(stop);
    const kill = async (): Promise<void> => {
      await cut();
      void stop();
    };
    return { flow, kill, stop };
  }

  /** Creates a topic. */
  async topic(
    { client }: Side,
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const [made] = await createTopics(client, [{ name, partitions, replicationFactor: 1, configs }]);
    if (made?.errorCode !== 0) throw new Error(`topic ${name} not created: ${made?.errorMessage}`);
  }

  /** Appends one batch of `count` records with the time of now; the values are unique in this world. */
  async produce(
    side: Side,
    topic: string,
    index: number,
    count: number,
    encode: EncodeOptions = {},
    atMs = deps.clock.nowMs(),
  ) {
    const timestampMs = BigInt(atMs);
    const records = Array.from({ length: count }, (_, at) => ({
      timestampMs: timestampMs + BigInt(at),
      key: Buffer.from(`k${at}`),
      value: Buffer.from(`value ${this.#values++}`),
    }));
    await this.append(side, { topic, index }, encodeBatch(records, encode));
  }

  /** Appends a batch. */
  async append(
    { client }: Side,
    { topic, index }: { readonly topic: string; readonly index: number },
    batch: BatchView,
  ) {
    const item = { topic, topicId: ZERO_UUID, index, records: batch.bytes };
    const [outcome] = await askLeaders(client, [item], {
      failed: ({ topic, index }, errorCode) => ({ topic, index, errorCode }),
      ask: (nodeId, partitions) => produceTo(client, nodeId, { partitions, acks: -1 }),
    });
    if (outcome?.errorCode !== 0) throw new Error(`produce failed with ${outcome?.errorCode}`);
  }

  /** All records of a partition. */
  async read({ client }: Side, topic: string, index: number): Promise<Seen[]> {
    client.metadata.track([topic]);
    await client.metadata.refresh("read");
    if ((client.metadata.topic(topic)?.partitions.length ?? 0) <= index) return [];
    const [bounds] = await logBounds(client, [{ topic, index }]);
    const records: Seen[] = [];
    for (let next = bounds?.startOffset ?? 0n; next < (bounds?.endOffset ?? 0n); ) {
      const at = { topic, topicId: ZERO_UUID, index, fetchOffset: next, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
      const [fetched] = await fetchFrom(client, client.metadata.leaderOf(topic, index)?.leaderId ?? -1, {
        partitions: [{ ...at, maxBytes: 1 << 22 }],
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 1 << 22,
        isolation: "read_committed",
      });
      const aborted = new AbortedTransactions(fetched?.abortedTransactions ?? []);
      for (const batch of batchesIn(asBatches(fetched?.records ?? Buffer.alloc(0)))) {
        batch.verifyCrc();
        next = batch.nextOffset;
        if (aborted.covers(batch) || batch.isControl) continue;
        for (const { offsetDelta, timestampMs, key, value, headers } of decodeRecords(batch)) {
          const offset = batch.baseOffset + BigInt(offsetDelta);
          const named = headers.map((header) => `${header.key}=${header.value?.toString()}`);
          records.push({ offset, timestampMs, key: key?.toString(), value: value?.toString(), headers: named });
        }
      }
    }
    return records;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#open.reverse()) await close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Records without their offsets, for comparison. */
export function contents(records: readonly Seen[]): string[] {
  return records.map(({ timestampMs, key, value }) => `${timestampMs} ${key} ${value}`);
}

/** Asks again until it holds; fails loudly after `limitMs`. */
export async function eventually(holds: () => Promise<boolean> | boolean, what: string, limitMs = 20_000) {
  const endMs = deps.clock.monotonicMs() + limitMs;
  while (!(await holds())) {
    if (deps.clock.monotonicMs() > endMs) throw new Error(`did not happen: ${what}`);
    await new Promise<void>((resolve) => deps.clock.after(10, resolve));
  }
}
