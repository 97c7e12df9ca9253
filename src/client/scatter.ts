/** One question about many things whose brokers differ: grouped by broker, asked in parallel, repeated where a broker
 *  was the wrong one or not ready. */

import { ErrorCode } from "../wire/error-codes.ts";
import { mayRetry } from "./errors.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";

/** Where a question about an item goes, or the error code that takes the place of an answer, for now or for good. */
export type Located = { readonly nodeId: number } | { readonly errorCode: number; readonly isFinal: boolean };

/** How a question is asked. */
export interface Scatter<Q, A extends { readonly errorCode: number }> {
  /** One place for each item, in their order. `isRetry` says that an earlier place was wrong: look again. */
  readonly locate: (items: readonly Q[], isRetry: boolean) => Promise<readonly Located[]>;
  /** One answer for each item, in their order. */
  readonly ask: (nodeId: number, items: readonly Q[]) => Promise<readonly A[]>;
  /** An answer for an item that nobody could be asked about. */
  readonly failed: (item: Q, errorCode: number) => A;
  /** Whether an item with this code should be asked about again. */
  readonly isPassing: (errorCode: number) => boolean;
  /** Whether such a code says that the place may have been wrong; always unless given. */
  readonly isElsewhere?: (errorCode: number) => boolean;
  /** Whether a question that failed as a whole may be repeated; `mayRetry` unless given. */
  readonly isHarmless?: (error: unknown) => boolean;
}

/** An item with its latest outcome. */
interface Asked<Q, A> {
  readonly item: Q;
  answer: A | undefined;
  failure: unknown;
  /** No further attempt: it would not help, or could do harm. */
  isFinal: boolean;
}

/** Raised inside to be asked again; never leaves this file. */
const AGAIN = new Error("some answers are missing");

/** One answer for each item, in their order. When the time is up, answers keep the error code they last had.
 *  @throws whatever made a request fail for good, or made the last attempt for some item fail */
export async function scatter<Q, A extends { readonly errorCode: number }>(
  client: KafkaClient,
  items: readonly Q[],
  options: CallOptions & Scatter<Q, A>,
): Promise<readonly A[]> {
  const all = items.map((item): Asked<Q, A> => ({ item, answer: undefined, failure: undefined, isFinal: false }));
  let pending = all;
  let isRetry = false;
  try {
    await client.retry(
      options,
      (error) => error === AGAIN,
      async () => {
        await askOnce(pending, isRetry, options);
        pending = pending.filter(
          ({ answer, isFinal }) => !isFinal && (answer === undefined || options.isPassing(answer.errorCode)),
        );
        isRetry = pending.some(
          ({ answer }) => answer === undefined || options.isElsewhere?.(answer.errorCode) !== false,
        );
        const isLost = all.some(({ failure, isFinal }) => failure !== undefined && isFinal);
        if (pending.length > 0 && !isLost) throw AGAIN;
      },
    );
  } catch (thrown) {
    if (thrown !== AGAIN) throw thrown;
  }
  return all.map(({ item, answer, failure }) => {
    if (failure !== undefined) throw failure;
    return answer ?? options.failed(item, ErrorCode.UNKNOWN);
  });
}

async function askOnce<Q, A extends { readonly errorCode: number }>(
  pending: readonly Asked<Q, A>[],
  isRetry: boolean,
  options: Scatter<Q, A>,
): Promise<void> {
  const items = pending.map(({ item }) => item);
  const places = await options.locate(items, isRetry).catch((thrown: unknown) => {
    // Looking for a broker changes nothing, so it may always be repeated.
    for (const asked of pending) fail(asked, thrown, mayRetry(thrown));
    return undefined;
  });
  if (places === undefined) return;
  const byNode = new Map<number, Asked<Q, A>[]>();
  for (const [at, asked] of pending.entries()) {
    const place = places[at] ?? { errorCode: ErrorCode.UNKNOWN, isFinal: true };
    asked.failure = undefined;
    if ("errorCode" in place) {
      asked.answer = options.failed(asked.item, place.errorCode);
      asked.isFinal = place.isFinal;
    } else groupOf(byNode, place.nodeId).push(asked);
  }
  await Promise.all(
    [...byNode].map(async ([nodeId, group]) => {
      try {
        const answers = await options.ask(
          nodeId,
          group.map(({ item }) => item),
        );
        for (const [at, asked] of group.entries())
          asked.answer = answers[at] ?? options.failed(asked.item, ErrorCode.UNKNOWN);
      } catch (thrown) {
        for (const asked of group) fail(asked, thrown, (options.isHarmless ?? mayRetry)(thrown));
      }
    }),
  );
}

function fail<Q, A>(asked: Asked<Q, A>, failure: unknown, mayRepeat: boolean): void {
  asked.answer = undefined;
  asked.failure = failure;
  asked.isFinal = !mayRepeat;
}

/** The list under `key`, made when missing. */
export function groupOf<K, V>(groups: Map<K, V[]>, key: K): V[] {
  const known = groups.get(key);
  if (known !== undefined) return known;
  const made: V[] = [];
  groups.set(key, made);
  return made;
}
