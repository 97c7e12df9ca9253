/** What configuration requests name: topics and brokers. */

import { ErrorCode } from "../../wire/error-codes.ts";
import type { BrokerNode } from "../broker-node.ts";
import type { Cluster } from "../cluster.ts";
import { refusal } from "../errors.ts";

/** Numbers of resource types on the wire (`ConfigResource.Type`). */
export const RESOURCE_TYPES = { topic: 2, broker: 4 } as const;

/** The broker that a resource names; undefined for the empty name, which means all brokers.
 *  @throws {Refusal} INVALID_REQUEST */
export function requestedBroker(cluster: Cluster, name: string): BrokerNode | undefined {
  if (name === "") return undefined;
  const node = /^\d+$/.test(name) ? cluster.brokers.get(Number(name)) : undefined;
  if (node === undefined) throw refusal(ErrorCode.INVALID_REQUEST, `Unexpected broker id: ${name}`);
  return node;
}
