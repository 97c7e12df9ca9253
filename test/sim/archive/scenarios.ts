/** Every kind of interruption that an archive has to survive. */

import { deleteTopic, forgetDeleted, gc, inTurn, offload, retire, wait } from "./jobs.ts";
import type { Scenario } from "./runs.ts";

/** All of them. */
export const SCENARIOS: readonly Scenario[] = [
  { name: "the first offload dies", job: offload },
  { name: "a later offload dies", before: offload, job: offload },
  { name: "offload, retention and gc die", before: offload, job: inTurn(offload, retire, wait, gc) },
  { name: "another offloader works while one stands still", before: offload, job: offload, meanwhile: offload },
  { name: "gc runs while the offloader stands still", before: offload, job: offload, meanwhile: gc },
  {
    name: "gc runs while the offloader stands still for longer than the grace period",
    job: offload,
    meanwhile: inTurn(wait, gc),
  },
  {
    name: "another offloader and gc work while one stands still for longer than the grace period",
    before: offload,
    job: offload,
    meanwhile: inTurn(offload, wait, gc),
  },
  { name: "retention works while the offloader stands still", before: offload, job: offload, meanwhile: retire },
  {
    name: "the offloader works while gc stands still",
    before: inTurn(offload, retire, wait),
    job: gc,
    meanwhile: offload,
  },
  {
    name: "retention works while gc stands still",
    before: inTurn(offload, retire, wait),
    job: gc,
    meanwhile: retire,
  },
  {
    name: "the end of a deleted topic's archive dies",
    before: offload,
    job: inTurn(deleteTopic, forgetDeleted, wait, forgetDeleted),
  },
  {
    name: "a topic is deleted, and then its archive, while the offloader stands still",
    before: offload,
    job: offload,
    meanwhile: inTurn(deleteTopic, forgetDeleted, wait, forgetDeleted),
  },
  { name: "the offloader dies, and then its topic is deleted", before: offload, job: offload, after: deleteTopic },
];
