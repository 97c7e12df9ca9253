/** What an S3 store's refusals are told as, and which of them are asked again. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeRandom } from "../../../../src/adapters/node-random.ts";
import { S3Calls } from "../../../../src/adapters/s3/s3-calls.ts";
import { storeError } from "../../../../src/adapters/s3/s3-errors.ts";
import { StoreError } from "../../../../src/tier/errors.ts";
import { createFakeClock } from "../../../support/fake-clock.ts";

const PLACE = { location: "s3://cold/", key: "k" };

function refusal(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error("secret words of a request"), { name, $metadata: { httpStatusCode } });
}

function broken(code: string): Error {
  return Object.assign(new Error("secret words of a request"), { code });
}

test("a refusal of S3 becomes a failure that says what to do, and nothing of the request", () => {
  const cases: readonly (readonly [error: Error, code: string, words: RegExp])[] = [
    [refusal("ConditionalRequestConflict", 409), "STORE_UNAVAILABLE", /ConditionalRequestConflict \(409\)/],
    [refusal("RequestTimeout", 400), "STORE_UNAVAILABLE", /RequestTimeout/],
    [refusal("SlowDown", 503), "STORE_UNAVAILABLE", /SlowDown/],
    [refusal("AuthorizationHeaderMalformed", 400), "STORE_FAILED", /another region; set region:/],
    [refusal("PermanentRedirect", 301), "STORE_FAILED", /another region; set region:/],
    [refusal("InvalidObjectState", 403), "STORE_FAILED", /thawed/],
    [new Error("Region is missing"), "STORE_FAILED", /set region: in the store, or AWS_REGION/],
    [broken("ECONNREFUSED"), "STORE_UNAVAILABLE", /ECONNREFUSED at http:\/\/minio:9000$/],
    [broken("ERR_INVALID_URL"), "STORE_FAILED", /the endpoint is no URL/],
    [broken("EPROTO"), "STORE_UNAVAILABLE", /does not speak TLS/],
    [broken("SELF_SIGNED_CERT_IN_CHAIN"), "STORE_FAILED", /ca:/],
  ];
  for (const [error, code, words] of cases) {
    const fault = storeError(PLACE, error, "http://minio:9000");
    assert.ok(fault instanceof StoreError);
    assert.deepEqual([fault.fault.code, words.test(fault.message)], [code, true], fault.message);
    assert.doesNotMatch(fault.message, /secret/);
  }
});

test("a conditional write that meets another one at the same moment is asked again", async () => {
  const clock = createFakeClock();
  const calls = new S3Calls({ clock, random: nodeRandom() });
  let asked = 0;
  const answer = calls.run({
    ...PLACE,
    send: async () => {
      if (++asked < 3) throw refusal("ConditionalRequestConflict", 409);
      return "written";
    },
  });
  await clock.advance(60_000);
  assert.deepEqual([await answer, asked], ["written", 3]);
});
