/** A transaction that is begun by kafkajs and left open. */

import { Kafka, logLevel } from "kafkajs";

/** An open transaction with one record on partition 0. */
export interface OpenTransaction {
  commit(): Promise<void>;
}

/** Resolves once the record is appended. */
export async function leaveTransactionOpen(brokers: readonly string[], topic: string): Promise<OpenTransaction> {
  const kafka = new Kafka({ brokers: [...brokers], clientId: "forgetful", logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ transactionalId: `forgetful-${topic}`, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ value: "committed late", partition: 0 }] });
  return {
    commit: async () => {
      await transaction.commit();
      await producer.disconnect();
    },
  };
}
