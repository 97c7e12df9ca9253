/** Planted mistakes: each must be found out, or the simulator proves nothing. */

import type { Mutation } from "./mutant.ts";
import type { SimPlan } from "./plan.ts";

/** A mistake, and which plans give it a chance to show. */
export interface Mutant {
  readonly name: string;
  readonly about: string;
  readonly mutation: Mutation;
  /** Turns any plan into one in which the mistake can show. */
  readonly focus: (plan: SimPlan) => SimPlan;
}

/** All of them. */
export const MUTANTS: readonly Mutant[] = [];

/** @throws {Error} for a name that no mistake has */
export function mutationOf(name: string): Mutation {
  const mutant = MUTANTS.find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`no planted mistake is called ${name}`);
  return mutant.mutation;
}
