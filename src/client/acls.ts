/** Rules about topics, of clusters with an authorizer: list, add, remove. */

import { describeAcls } from "../wire/apis/29-describe-acls.ts";
import { createAcls } from "../wire/apis/30-create-acls.ts";
import { deleteAcls } from "../wire/apis/31-delete-acls.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { brokerError, mayRetry } from "./errors.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";

const TOPIC = 2;
const ANY = 1;
const PATTERNS = { literal: 3, prefixed: 4 } as const;
const PERMISSIONS = { deny: 2, allow: 3 } as const;

/** One rule about topics. */
export interface TopicAcl {
  /** A topic's name (`*` for all), or what names begin with. */
  readonly topic: string;
  readonly pattern: keyof typeof PATTERNS;
  /** Such as `User:billing`. */
  readonly principal: string;
  /** `*` for any. */
  readonly host: string;
  /** As on the wire: 3 read, 4 write, 8 describe and others. */
  readonly operation: number;
  readonly permission: keyof typeof PERMISSIONS;
}

/** All rules about topics. @throws {ClientError} `CLIENT_BROKER_ERROR` without an authorizer or the right to ask */
export async function listTopicAcls(client: KafkaClient, options: CallOptions = {}): Promise<readonly TopicAcl[]> {
  const any = { resourceNameFilter: null, principalFilter: null, hostFilter: null };
  const body = { ...any, resourceTypeFilter: TOPIC, patternTypeFilter: ANY, operation: ANY, permissionType: ANY };
  const answer = await client.retry(options, mayRetry, () =>
    client.request("any", describeAcls, body, { signal: options.signal }),
  );
  check(describeAcls.name, answer);
  return answer.resources.flatMap(({ resourceName, patternType, acls }) =>
    acls.map(({ principal, host, operation, permissionType }): TopicAcl => {
      const pattern = patternType === PATTERNS.prefixed ? "prefixed" : "literal";
      const permission = permissionType === PERMISSIONS.deny ? "deny" : "allow";
      return { topic: resourceName, pattern, principal, host, operation, permission };
    }),
  );
}

/** Adds rules; harmless to repeat. @throws {ClientError} for the first that is refused */
export async function createTopicAcls(
  client: KafkaClient,
  acls: readonly TopicAcl[],
  options: CallOptions = {},
): Promise<void> {
  const creations = acls.map(({ topic, pattern, principal, host, operation, permission }) => ({
    resourceType: TOPIC,
    resourceName: topic,
    resourcePatternType: PATTERNS[pattern],
    principal,
    host,
    operation,
    permissionType: PERMISSIONS[permission],
  }));
  const answer = await client.retry(options, mayRetry, () =>
    client.request("controller", createAcls, { creations }, { signal: options.signal }),
  );
  for (const result of answer.results) check(createAcls.name, result);
}

/** Removes exactly these rules; harmless to repeat. @throws {ClientError} for the first that is refused */
export async function deleteTopicAcls(
  client: KafkaClient,
  acls: readonly TopicAcl[],
  options: CallOptions = {},
): Promise<void> {
  const filters = acls.map(({ topic, pattern, principal, host, operation, permission }) => ({
    resourceTypeFilter: TOPIC,
    resourceNameFilter: topic,
    patternTypeFilter: PATTERNS[pattern],
    principalFilter: principal,
    hostFilter: host,
    operation,
    permissionType: PERMISSIONS[permission],
  }));
  const answer = await client.retry(options, mayRetry, () =>
    client.request("controller", deleteAcls, { filters }, { signal: options.signal }),
  );
  for (const result of answer.filterResults)
    for (const one of [result, ...result.matchingAcls]) check(deleteAcls.name, one);
}

function check(api: string, answer: { readonly errorCode: number; readonly errorMessage: string | null }): void {
  const { errorCode, errorMessage: message } = answer;
  if (errorCode !== ErrorCode.NONE) throw brokerError(api, errorCode, { subject: "rules about topics", message });
}
