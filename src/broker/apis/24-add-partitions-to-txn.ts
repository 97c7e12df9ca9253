/** AddPartitionsToTxn v0-5: what a transaction will write. v0-3 are the clients' form, v4 and later that of brokers, which ask
 *  about several transactions, to add or only to verify. Nothing is added when one partition does not exist. */

import type { RequestOutput } from "../../wire/api.ts";
import { addPartitionsToTxn } from "../../wire/apis/24-add-partitions-to-txn.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { fencedCode } from "../transactions/fenced-code.ts";

type Item = Omit<RequestOutput<typeof addPartitionsToTxn>["transactions"][number], "verifyOnly">;
type Coded = { readonly topic: string; readonly index: number; readonly errorCode: number };

const FIRST_VERSION_WITH_FENCED = 2;
const FIRST_BROKER_VERSION = 4;

export const addPartitionsToTxnHandler = defineHandler(addPartitionsToTxn, (request, context) => {
  if (context.apiVersion < FIRST_BROKER_VERSION) return { throttleMs: 0, topics: answered(request, "add", context) };
  const transactions = request.transactions.map((item) => ({
    transactionalId: item.transactionalId,
    topics: answered(item, item.verifyOnly ? "verify" : "add", context),
  }));
  return { throttleMs: 0, errorCode: ErrorCode.NONE, transactions };
});

function answered(item: Item, how: "add" | "verify", context: RequestContext) {
  const codes = coded(item, how, context);
  let next = 0;
  return item.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((index) => ({ index, errorCode: codes[next++]?.errorCode ?? ErrorCode.UNKNOWN })),
  }));
}

function coded(item: Item, how: "add" | "verify", context: RequestContext): readonly Coded[] {
  const { cluster, transactions, brokerId, apiVersion } = context;
  const partitions = item.topics.flatMap(({ name, partitions: indexes }) =>
    indexes.map((index) => ({ topic: name, index, isKnown: cluster.partition(name, index) !== undefined })),
  );
  if (how === "add" && partitions.some(({ isKnown }) => !isKnown))
    return partitions.map((each) => ({
      ...each,
      errorCode: each.isKnown ? ErrorCode.OPERATION_NOT_ATTEMPTED : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }));
  try {
    transactions.checkCoordinates(item.transactionalId, brokerId);
    if (how === "verify") {
      const codes = transactions.verifyPartitions(item, partitions);
      return partitions.map((each, i) => ({
        ...each,
        errorCode: codes[i] ?? ErrorCode.UNKNOWN,
      }));
    }
    transactions.addPartitions(item, partitions, apiVersion >= FIRST_BROKER_VERSION ? 2 : 0);
    return partitions.map((each) => ({ ...each, errorCode: ErrorCode.NONE }));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const errorCode = fencedCode(error.errorCode, apiVersion >= FIRST_VERSION_WITH_FENCED);
    return partitions.map((each) => ({ ...each, errorCode }));
  }
}
