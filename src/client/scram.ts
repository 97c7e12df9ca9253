/** SCRAM (RFC 5802) as Kafka speaks it: proves that both sides know the password without sending it. */

import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";

/** Hash functions by the mechanism's name. */
const HASHES = { "scram-sha-256": "sha256", "scram-sha-512": "sha512" } as const;

/** SCRAM with one of the hash functions that Kafka knows. */
export type ScramMechanism = keyof typeof HASHES;

/** Fewer rounds would give the password away (RFC 7677); more than the maximum would hold this process up for seconds. */
const ITERATIONS_MIN = 4_096;
const ITERATIONS_MAX = 1_000_000;

/** No channel is bound: base64 of "n,,". */
const HEADER = "n,,";

/** Who proves. */
export interface ScramCredentials {
  readonly mechanism: ScramMechanism;
  readonly username: string;
  readonly password: string;
}

/** What a server said that breaks the protocol, or that it does not know the password either. */
export class ScramRefusal extends Error {}

/** Makes proofs; remembers the salted password, which costs milliseconds, for as long as the server keeps its salt. */
export class Scram {
  readonly #credentials: ScramCredentials;
  #salted: { readonly by: string; readonly password: Buffer } | undefined;

  constructor(credentials: ScramCredentials) {
    this.#credentials = credentials;
  }

  /** Whether it proves the same. */
  isOf({ mechanism, username, password }: ScramCredentials): boolean {
    const own = this.#credentials;
    return own.mechanism === mechanism && own.username === username && own.password === password;
  }

  /** The first message; the nonce must be new and unguessable, printable and without a comma. */
  first(nonce: string): string {
    return `${HEADER}${this.#firstBare(nonce)}`;
  }

  /** The answer to the server's first message, and what its last message has to be. @throws {ScramRefusal} */
  final(nonce: string, serverFirst: string): { readonly message: string; readonly expected: Buffer } {
    const fields = fieldsOf(serverFirst);
    const [both = "", salt = "", iterations = 0] = [fields.get("r"), fields.get("s"), Number(fields.get("i"))];
    if (!both.startsWith(nonce) || both.length === nonce.length)
      throw new ScramRefusal("its nonce is not an answer to ours");
    if (!Number.isSafeInteger(iterations) || iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX)
      throw new ScramRefusal(`its number of iterations is not from ${ITERATIONS_MIN} to ${ITERATIONS_MAX}`);
    const withoutProof = `c=${Buffer.from(HEADER).toString("base64")},r=${both}`;
    const signed = `${this.#firstBare(nonce)},${serverFirst},${withoutProof}`;
    const salted = this.#saltedPassword(salt, iterations);
    const clientKey = this.#hmac(salted, "Client Key");
    const storedKey = createHash(this.#hash).update(clientKey).digest();
    const signature = this.#hmac(storedKey, signed);
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)));
    const expected = this.#hmac(this.#hmac(salted, "Server Key"), signed);
    return { message: `${withoutProof},p=${proof.toString("base64")}`, expected };
  }

  get #hash(): string {
    return HASHES[this.#credentials.mechanism];
  }

  #firstBare(nonce: string): string {
    const name = this.#credentials.username.replaceAll("=", "=3D").replaceAll(",", "=2C");
    return `n=${name},r=${nonce}`;
  }

  #saltedPassword(salt: string, iterations: number): Buffer {
    const by = `${iterations},${salt}`;
    if (this.#salted?.by !== by) {
      const length = createHash(this.#hash).digest().length;
      const bytes = Buffer.from(salt, "base64");
      const password = pbkdf2Sync(this.#credentials.password, bytes, iterations, length, this.#hash);
      this.#salted = { by, password };
    }
    return this.#salted.password;
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest();
  }
}

/** @throws {ScramRefusal} unless the server's last message shows that it knows the password, too */
export function checkServerFinal(message: string, expected: Buffer): void {
  const fields = fieldsOf(message);
  const error = fields.get("e");
  if (error !== undefined) throw new ScramRefusal(error);
  const signature = Buffer.from(fields.get("v") ?? "", "base64");
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected))
    throw new ScramRefusal("it does not prove that it knows the password");
}

function fieldsOf(message: string): ReadonlyMap<string, string> {
  return new Map(message.split(",").map((field) => [field.slice(0, 1), field.slice(2)]));
}
