/** SCRAM against the RFC's own example, and against servers that cheat. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkServerFinal, Scram } from "../../../src/client/scram.ts";

const NONCE = "rOprNGfwEbeRWgbNEkqO";
const BOTH = `${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`;
const SALT = "W22ZaJ0SNY7soEsUEjb6gQ==";

function scram(username = "user") {
  return new Scram({ mechanism: "scram-sha-256", username, password: "pencil" });
}

test("SCRAM gives the proof of RFC 7677, and accepts the server's", () => {
  assert.equal(scram().first(NONCE), `n,,n=user,r=${NONCE}`);
  const { message, expected } = scram().final(NONCE, `r=${BOTH},s=${SALT},i=4096`);
  assert.equal(message, `c=biws,r=${BOTH},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`);
  checkServerFinal("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", expected);
});

test("SCRAM escapes what separates fields in a name", () => {
  assert.equal(scram("a=b,c").first("x"), "n,,n=a=3Db=2Cc,r=x");
});

test("SCRAM refuses a server that repeats no nonce, asks for too little or too much work, or does not know the password", () => {
  const first = (text: string) => () => scram().final(NONCE, text);
  assert.throws(first(`r=other,s=${SALT},i=4096`), /nonce/);
  assert.throws(first(`r=${NONCE},s=${SALT},i=4096`), /nonce/);
  for (const iterations of ["4095", "1000001", "x", ""])
    assert.throws(first(`r=${BOTH},s=${SALT},i=${iterations}`), /iterations/, iterations);
  const { expected } = scram().final(NONCE, `r=${BOTH},s=${SALT},i=4096`);
  const wrong = Buffer.from(expected);
  wrong[0] = (wrong[0] ?? 0) ^ 1;
  assert.throws(() => checkServerFinal(`v=${wrong.toString("base64")}`, expected), /password/);
  assert.throws(() => checkServerFinal("", expected), /password/);
  assert.throws(() => checkServerFinal("e=other-error", expected), /other-error/);
});
