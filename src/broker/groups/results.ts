/** What members get from JoinGroup and SyncGroup. */

/** The end of a JoinGroup. */
export interface JoinResult {
  readonly errorCode: number;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly memberId: string;
  /** All members for the leader, none for others. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

/** The end of a SyncGroup. */
export interface SyncResult {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

/** A join that ends with an error. */
export function refusedJoin(memberId: string, errorCode: number): JoinResult {
  const nothing = { generationId: -1, protocolType: null, protocolName: null, leader: "", members: [] };
  return { errorCode, memberId, ...nothing };
}

/** A sync that ends with an error. */
export function refusedSync(errorCode: number): SyncResult {
  return { errorCode, protocolType: null, protocolName: null, assignment: Buffer.alloc(0) };
}
