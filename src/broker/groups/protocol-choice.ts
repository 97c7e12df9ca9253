/** Which assignor a group uses: one that every member knows, the one that most prefer. */

import type { MemberFacts } from "./member.ts";

type Offer = Pick<MemberFacts, "protocolType" | "protocols">;

/** Whether a member fits to `others`: same type, and an assignor that all have. */
export function fitsTo(offer: Offer, others: readonly Offer[], protocolType: string): boolean {
  if (offer.protocolType === "" || offer.protocols.length === 0) return false;
  if (others.length === 0) return true;
  return (
    offer.protocolType === protocolType && offer.protocols.some(({ name }) => others.every((one) => knows(one, name)))
  );
}

/** Each member votes for the first of its assignors that all have; the first member's order breaks ties. */
export function votedProtocol(offers: readonly Offer[]): string {
  const common = (offers[0]?.protocols ?? [])
    .map(({ name }) => name)
    .filter((name) => offers.every((offer) => knows(offer, name)));
  const votes = new Map(common.map((name) => [name, 0]));
  for (const { protocols } of offers) {
    const vote = protocols.find(({ name }) => votes.has(name))?.name;
    if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1);
  }
  const moreVoted = (best: string, name: string): string =>
    (votes.get(name) ?? 0) > (votes.get(best) ?? 0) ? name : best;
  return common.reduce(moreVoted, common[0] ?? "");
}

function knows(offer: Offer, name: string): boolean {
  return offer.protocols.some((own) => own.name === name);
}
