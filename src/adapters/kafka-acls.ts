/** Access rules over a Kafka client, as the mirror's sync reads and changes them. */

import { addAcls, listAcls, removeAcls, type Acl as WireAcl } from "../client/acls.ts";
import { errorCodeOf } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { AclWriter } from "../mirror/metadata/acl-sync.ts";
import type { Acl, AclOperation } from "../topology/acls.ts";
import { ErrorCode } from "../wire/error-codes.ts";

/** Rules per request: about 60 KB, and one record of the controller's log. */
const ACLS_MAX = 500;
/** For one question or one change. */
const CALL_TIMEOUT_MS = 10_000;

/** Operations that topics and groups can have, by the wire's numbers (`AclOperation` of Kafka's clients). */
const OPERATIONS: ReadonlyMap<number, AclOperation> = new Map([
  [2, "all"],
  [3, "read"],
  [4, "write"],
  [5, "create"],
  [6, "delete"],
  [7, "alter"],
  [8, "describe"],
  [10, "describe-configs"],
  [11, "alter-configs"],
]);
const NUMBERS: ReadonlyMap<AclOperation, number> = new Map([...OPERATIONS].map(([number, name]) => [name, number]));

/** The client is opened and closed by the caller. */
export class KafkaAcls implements AclWriter {
  readonly #client: KafkaClient;

  constructor(deps: { readonly client: KafkaClient }) {
    this.#client = deps.client;
  }

  /** Rules of operations that this program does not know are left out. */
  async acls(): Promise<readonly Acl[] | undefined> {
    try {
      const found = await listAcls(this.#client, { timeoutMs: CALL_TIMEOUT_MS });
      return found.flatMap((acl) => {
        const operation = OPERATIONS.get(acl.operation);
        return operation === undefined ? [] : [{ ...acl, operation }];
      });
    } catch (error) {
      if (errorCodeOf(error) === ErrorCode.SECURITY_DISABLED) return undefined;
      throw error;
    }
  }

  async add(acls: readonly Acl[]): Promise<void> {
    for (const part of parts(acls)) await addAcls(this.#client, part, { timeoutMs: CALL_TIMEOUT_MS });
  }

  async remove(acls: readonly Acl[]): Promise<void> {
    for (const part of parts(acls)) await removeAcls(this.#client, part, { timeoutMs: CALL_TIMEOUT_MS });
  }
}

function parts(acls: readonly Acl[]): readonly (readonly WireAcl[])[] {
  const wire = acls.map((acl) => ({ ...acl, operation: NUMBERS.get(acl.operation) ?? 0 }));
  return Array.from({ length: Math.ceil(wire.length / ACLS_MAX) }, (_, at) =>
    wire.slice(at * ACLS_MAX, (at + 1) * ACLS_MAX),
  );
}
