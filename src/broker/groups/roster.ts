/** The members of a group, found by their id or by their static instance (KIP-345). */

import { ErrorCode } from "../../wire/error-codes.ts";
import type { Member } from "./member.ts";

/** Names a member in a request. */
export interface MemberRef {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
}

/** A member, or why there is none. */
export interface Found {
  readonly errorCode: number;
  readonly member?: Member;
}

/** Members in the order in which they came. */
export class Roster {
  readonly #members = new Map<string, Member>();

  get size(): number {
    return this.#members.size;
  }
  get all(): readonly Member[] {
    return [...this.#members.values()];
  }

  get(memberId: string): Member | undefined {
    return this.#members.get(memberId);
  }
  add(member: Member): void {
    this.#members.set(member.memberId, member);
  }
  /** False when it was not there. */
  delete(member: Member): boolean {
    return this.#members.delete(member.memberId);
  }
  clear(): void {
    this.#members.clear();
  }

  /** The static member of this instance. */
  byInstance(groupInstanceId: string | null): Member | undefined {
    if (groupInstanceId === null) return undefined;
    return this.all.find((member) => member.facts.groupInstanceId === groupInstanceId);
  }

  /** The member that a request names; a former holder of a static instance is fenced. */
  find({ memberId, groupInstanceId }: Omit<MemberRef, "generationId">): Found {
    if (groupInstanceId !== null) {
      const holder = this.byInstance(groupInstanceId);
      if (holder === undefined) return { errorCode: ErrorCode.UNKNOWN_MEMBER_ID };
      // An operator removes a static member by its instance id alone.
      if (memberId === "") return { errorCode: ErrorCode.NONE, member: holder };
      if (holder.memberId !== memberId) return { errorCode: ErrorCode.FENCED_INSTANCE_ID };
    }
    const member = this.#members.get(memberId);
    return member === undefined ? { errorCode: ErrorCode.UNKNOWN_MEMBER_ID } : { errorCode: ErrorCode.NONE, member };
  }
}
