/** The check that a partition belongs to a writer's transaction before the first batch is appended (KIP-890): a batch that comes
 *  late, after its transaction has ended, would otherwise open one that nobody ends. */

import { type Clock, sleep } from "../../core/clock.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal } from "../errors.ts";
import type { TransactionCoordinator, Writer } from "./coordinator.ts";
import type { TxnPartition } from "./transaction.ts";

/** How a client's version of a request speaks of transactions. */
export type TransactionSupport =
  /** Announces partitions and knows no code for "abort, then go on". */
  | "announced"
  /** Announces partitions and knows TRANSACTION_ABORTABLE. */
  | "abortable"
  /** Announces nothing: writing adds the partition. Epochs rise with every transaction. */
  | "implicit";

/** Wait while the transaction before is being ended (Kafka: `add.partitions.to.txn.retry.backoff.ms`). */
const RETRY_MS = 20;
/** Longest wait for it, whatever the client allows (Kafka: `request.timeout.ms` of a broker). */
const WAIT_MS_MAX = 30_000;

/** What a coordinator is asked about. */
export interface VerificationRequest {
  readonly writer: Writer;
  readonly partitions: readonly TxnPartition[];
  readonly support: TransactionSupport;
  /** How long the client waits for its answer. */
  readonly timeoutMs: number;
}

/** What a check stands on. */
export interface VerificationDeps {
  readonly transactions: TransactionCoordinator;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** One code per partition, in order: NONE where batches may be appended, else what the client gets. At once unless the
 *  transaction before is still being ended and the client counts on our waiting for that. */
export function verified(
  request: VerificationRequest,
  deps: VerificationDeps,
): readonly number[] | Promise<readonly number[]> {
  const codes = asked(request, deps.transactions);
  const mustWait = request.support === "implicit" && codes.includes(ErrorCode.CONCURRENT_TRANSACTIONS);
  return mustWait ? retried(request, deps) : codes.map((code) => forClient(code, request.support));
}

async function retried(request: VerificationRequest, deps: VerificationDeps): Promise<readonly number[]> {
  const untilMs = deps.clock.monotonicMs() + Math.min(request.timeoutMs, WAIT_MS_MAX);
  let codes: readonly number[] = request.partitions.map(() => ErrorCode.CONCURRENT_TRANSACTIONS);
  while (
    codes.includes(ErrorCode.CONCURRENT_TRANSACTIONS) &&
    deps.clock.monotonicMs() < untilMs &&
    !deps.signal.aborted
  ) {
    await sleep(deps.clock, RETRY_MS);
    codes = asked(request, deps.transactions);
  }
  return codes.map((code) => forClient(code, request.support));
}

function asked(
  { writer, partitions, support }: VerificationRequest,
  transactions: TransactionCoordinator,
): readonly number[] {
  try {
    if (writer.transactionalId === "") return partitions.map(() => ErrorCode.INVALID_REQUEST);
    if (support !== "implicit") return transactions.verifyPartitions(writer, partitions);
    transactions.addPartitions(writer, partitions, 2);
    return partitions.map(() => ErrorCode.NONE);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return partitions.map(() => error.errorCode);
  }
}

/** The codes that clients of a version understand (Kafka: `AddPartitionsToTxnManager`, `ReplicaManager`). */
function forClient(errorCode: number, support: TransactionSupport): number {
  switch (errorCode) {
    case ErrorCode.PRODUCER_FENCED:
      return ErrorCode.INVALID_PRODUCER_EPOCH;
    case ErrorCode.TRANSACTION_ABORTABLE:
      return support === "announced" ? ErrorCode.INVALID_TXN_STATE : errorCode;
    case ErrorCode.CONCURRENT_TRANSACTIONS:
      return support === "implicit" ? errorCode : ErrorCode.NOT_ENOUGH_REPLICAS;
    case ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE:
      return ErrorCode.NOT_ENOUGH_REPLICAS;
    default:
      return errorCode;
  }
}
