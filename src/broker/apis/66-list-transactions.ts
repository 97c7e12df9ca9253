/** ListTransactions v0-2: the transactional ids that this broker keeps, by state, producer, age or a pattern. */

import { listTransactions } from "../../wire/apis/66-list-transactions.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";
import { TRANSACTION_STATES, type Transaction } from "../transactions/transaction.ts";

/** States that Kafka knows besides, in which no transaction is ever seen. */
const PASSING_STATES: readonly string[] = ["Dead", "PrepareEpochFence"];
const KNOWN_STATES: ReadonlySet<string> = new Set([...TRANSACTION_STATES, ...PASSING_STATES]);

export const listTransactionsHandler = defineHandler(listTransactions, (request, { transactions, brokerId, clock }) => {
  const { stateFilters, producerIdFilters, durationFilterMs, transactionalIdPattern } = request;
  const pattern = wholePattern(transactionalIdPattern);
  if (pattern === "bad")
    return {
      ...{ throttleMs: 0, errorCode: ErrorCode.INVALID_REGULAR_EXPRESSION },
      ...{ unknownStateFilters: [], transactionStates: [] },
    };
  const nowMs = clock.nowMs();
  const isWanted = (one: Transaction): boolean =>
    (stateFilters.length === 0 || stateFilters.includes(one.state)) &&
    (producerIdFilters.length === 0 || producerIdFilters.includes(one.producerId)) &&
    (durationFilterMs < 0n || BigInt(Math.trunc(nowMs - one.startMs)) > durationFilterMs) &&
    (pattern?.test(one.transactionalId) ?? true);
  return {
    throttleMs: 0,
    errorCode: ErrorCode.NONE,
    unknownStateFilters: stateFilters.filter((state) => !KNOWN_STATES.has(state)),
    transactionStates: transactions
      .transactionsOf(brokerId)
      .filter(isWanted)
      .map(({ transactionalId, producerId, state }) => ({ transactionalId, producerId, transactionState: state })),
  };
});

/** The pattern must cover the whole id. */
function wholePattern(pattern: string | null): RegExp | undefined | "bad" {
  if (pattern === null || pattern === "") return undefined;
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch {
    return "bad";
  }
}
