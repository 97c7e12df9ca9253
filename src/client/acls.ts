/** Rules about topics and groups, of clusters with an authorizer: list, add, remove. */

import { describeAcls } from "../wire/apis/29-describe-acls.ts";
import { createAcls } from "../wire/apis/30-create-acls.ts";
import { deleteAcls } from "../wire/apis/31-delete-acls.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { brokerError, mayRetry } from "./errors.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";

const RESOURCES = { topic: 2, group: 3 } as const;
const ANY = 1;
const PATTERNS = { literal: 3, prefixed: 4 } as const;
const PERMISSIONS = { deny: 2, allow: 3 } as const;

/** One rule about topics or groups. */
export interface Acl {
  readonly resource: keyof typeof RESOURCES;
  /** The name (`*` for all), or what names begin with. */
  readonly name: string;
  readonly pattern: keyof typeof PATTERNS;
  /** Such as `User:billing`. */
  readonly principal: string;
  /** `*` for any. */
  readonly host: string;
  /** As on the wire: 3 read, 4 write, 8 describe and others. */
  readonly operation: number;
  readonly permission: keyof typeof PERMISSIONS;
}

/** All rules about topics and groups. @throws {ClientError} `CLIENT_BROKER_ERROR` without an authorizer or the right to ask */
export async function listAcls(client: KafkaClient, options: CallOptions = {}): Promise<readonly Acl[]> {
  const lists = await Promise.all((["topic", "group"] as const).map((resource) => listOf(client, resource, options)));
  return lists.flat();
}

async function listOf(client: KafkaClient, resource: Acl["resource"], options: CallOptions): Promise<readonly Acl[]> {
  const any = { resourceNameFilter: null, principalFilter: null, hostFilter: null };
  const body = {
    ...any,
    resourceTypeFilter: RESOURCES[resource],
    patternTypeFilter: ANY,
    operation: ANY,
    permissionType: ANY,
  };
  const answer = await client.retry(options, mayRetry, () =>
    client.request("any", describeAcls, body, { signal: options.signal }),
  );
  check(describeAcls.name, answer);
  return answer.resources.flatMap(({ resourceName, patternType, acls }) =>
    acls.map(({ principal, host, operation, permissionType }): Acl => {
      const pattern = patternType === PATTERNS.prefixed ? "prefixed" : "literal";
      const permission = permissionType === PERMISSIONS.deny ? "deny" : "allow";
      return { resource, name: resourceName, pattern, principal, host, operation, permission };
    }),
  );
}

/** Adds rules; harmless to repeat. @throws {ClientError} for the first that is refused */
export async function addAcls(client: KafkaClient, acls: readonly Acl[], options: CallOptions = {}): Promise<void> {
  const creations = acls.map(({ resource, name, pattern, principal, host, operation, permission }) => ({
    resourceType: RESOURCES[resource],
    resourceName: name,
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
export async function removeAcls(client: KafkaClient, acls: readonly Acl[], options: CallOptions = {}): Promise<void> {
  const filters = acls.map(({ resource, name, pattern, principal, host, operation, permission }) => ({
    resourceTypeFilter: RESOURCES[resource],
    resourceNameFilter: name,
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
  if (errorCode !== ErrorCode.NONE) throw brokerError(api, errorCode, { subject: "access rules", message });
}
