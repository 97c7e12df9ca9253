/** All that writes into the source: idempotent, transactional and Java producers side by side. */

import { runConsole } from "./console-producer.ts";
import { type ProducerOptions, runIdempotent, runTransactional } from "./kafkajs-producers.ts";
import type { Ledger } from "./ledger.ts";
import type { TopicPlace } from "./reader.ts";

/** Where, what and what it is noted in. */
export interface LoadOptions {
  readonly place: TopicPlace;
  readonly partitions: number;
  readonly seed: number;
  readonly ledger: Ledger;
}

/** The running producers; disposing of them ends them without waiting. */
export interface Load extends Disposable {
  /** Ends them after what they are doing. @throws what any of them failed with */
  stop(): Promise<void>;
  /** What a producer failed with before its time, or undefined. */
  readonly failure: unknown;
}

/** Starts every producer. */
export function startLoad({ place, partitions, seed, ledger }: LoadOptions): Load {
  const ending = new AbortController();
  const all: readonly [number, ...number[]] = [0, ...Array.from({ length: partitions - 1 }, (_, index) => index + 1)];
  const options = (name: string): ProducerOptions => ({
    place,
    partitions: all,
    seed,
    name,
    ledger,
    signal: ending.signal,
  });
  const running = [
    runIdempotent(options("idempotent-1")),
    runIdempotent(options("idempotent-2")),
    runIdempotent(options("idempotent-3")),
    runTransactional(options("transactional-1")),
    runTransactional(options("transactional-2")),
    runConsole(options("console-zstd"), { codec: "zstd", batchBytes: 65_536, lingerMs: 50 }),
    runConsole(options("console-snappy"), { codec: "snappy", batchBytes: 16_384, lingerMs: 5 }),
  ];
  let failure: unknown;
  for (const one of running) one.catch((error: unknown) => (failure ??= error));
  return {
    get failure() {
      return failure;
    },
    [Symbol.dispose]: () => ending.abort(),
    async stop() {
      ending.abort();
      await Promise.all(running);
    },
  };
}
