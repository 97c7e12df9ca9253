/** Authentication against a scripted broker; test/peers/security.ts does it against Apache Kafka. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrokerConnection } from "../../../src/client/connection.ts";
import { ClientError } from "../../../src/client/errors.ts";
import { Authenticator, type SaslOptions } from "../../../src/client/sasl.ts";
import { saslHandshake } from "../../../src/wire/apis/17-sasl-handshake.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** Answers the handshake with a code, and each step with the next text; keeps what was said. */
function broker(handshake: number, answers: readonly (string | number)[]) {
  const heard: string[] = [];
  const rest = [...answers];
  const request = async (api: { readonly key: number }, body: { mechanism?: string; authBytes?: Buffer }) => {
    if (api.key === saslHandshake.key) return { errorCode: handshake, mechanisms: ["PLAIN", "GSSAPI"] };
    heard.push(body.authBytes?.toString() ?? "");
    const answer = rest.shift() ?? "";
    const errorCode = typeof answer === "number" ? answer : ErrorCode.NONE;
    return { errorCode, errorMessage: null, authBytes: Buffer.from(String(answer)), sessionLifetimeMs: 0n };
  };
  const connection = { endpoint: { host: "k", port: 9092 }, request } as unknown as BrokerConnection;
  return { heard, connection };
}

function authenticator(...who: readonly SaslOptions[]) {
  const rest = [...who];
  return new Authenticator(() => rest.shift() ?? assert.fail("asked too often"), seededRandom(1));
}

const PLAIN = { mechanism: "plain", username: "u", password: "old" } as const;

test("authentication asks who it is for each connection", async () => {
  const known = authenticator(PLAIN, { ...PLAIN, password: "new" });
  const { heard, connection } = broker(ErrorCode.NONE, []);
  await known.authenticate(connection, {});
  await known.authenticate(connection, {});
  assert.deepEqual(heard, ["\u0000u\u0000old", "\u0000u\u0000new"]);
});

test("authentication tells what the broker knows instead, and that a listener asks nobody", async () => {
  const refusal = (code: number) => authenticator(PLAIN).authenticate(broker(code, []).connection, {});
  await assert.rejects(
    refusal(ErrorCode.UNSUPPORTED_SASL_MECHANISM),
    /k:9092 .*PLAIN: it knows PLAIN, GSSAPI; check sasl/,
  );
  await assert.rejects(refusal(ErrorCode.ILLEGAL_SASL_STATE), /asks nobody/);
  const { connection } = broker(ErrorCode.NONE, []);
  const [endpoint, api] = ["k:9092", "SaslHandshake"];
  const notOffered = new ClientError({ code: "CLIENT_NO_VERSION", endpoint, api, ours: "0-1", theirs: "none" });
  const request = () => Promise.reject(notOffered);
  await assert.rejects(authenticator(PLAIN).authenticate({ ...connection, request }, {}), /asks nobody/);
});

test("authentication by token hears the broker's reason before it is refused", async () => {
  const { heard, connection } = broker(ErrorCode.NONE, ['{"status":"invalid"}', ErrorCode.SASL_AUTHENTICATION_FAILED]);
  const refused = authenticator({ mechanism: "oauthbearer", token: "t" }).authenticate(connection, {});
  await assert.rejects(refused, {
    fault: {
      code: "CLIENT_SASL_REFUSED",
      endpoint: "k:9092",
      mechanism: "OAUTHBEARER",
      why: "SASL_AUTHENTICATION_FAILED; check sasl of the region",
    },
  });
  assert.deepEqual(heard, ["n,,\u0001auth=Bearer t\u0001\u0001", "\u0001"]);
});

test("authentication by SCRAM trusts no broker that cannot prove that it knows the password", async () => {
  const who = { mechanism: "scram-sha-512", username: "u", password: "p" } as const;
  await assert.rejects(authenticator(who).authenticate(broker(ErrorCode.NONE, ["r=other"]).connection, {}), /nonce/);
});
