/** Says who this client is, on a connection that was just made: SaslHandshake, then as many steps as the mechanism takes. */

import type { Random } from "../core/random.ts";
import { saslHandshake } from "../wire/apis/17-sasl-handshake.ts";
import { saslAuthenticate } from "../wire/apis/36-sasl-authenticate.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import type { BrokerConnection, RequestOptions } from "./connection.ts";
import { ClientError, endpointText } from "./errors.ts";
import { checkServerFinal, Scram, type ScramCredentials, ScramRefusal } from "./scram.ts";

/** Bytes of a nonce: as many as Kafka's own clients draw bits for. */
const NONCE_BYTES = 20;

/** Who this client is. */
export type SaslOptions =
  | ScramCredentials
  | { readonly mechanism: "plain"; readonly username: string; readonly password: string }
  | { readonly mechanism: "oauthbearer"; readonly token: string };

/** Sends bytes of the mechanism and resolves with the broker's. */
type Step = (bytes: string) => Promise<string>;

/** Makes connections known to their brokers; one for all connections of a client. */
export class Authenticator {
  readonly #current: () => SaslOptions;
  readonly #random: Random;
  #scram: Scram | undefined;

  /** `current` is asked for each connection: passwords and tokens change while a worker runs. */
  constructor(current: () => SaslOptions, random: Random) {
    this.#current = current;
    this.#random = random;
  }

  /** Call once per connection, before any other request but ApiVersions.
   *  @throws {ClientError} `CLIENT_SASL_REFUSED`, or why the exchange failed */
  async authenticate(
    connection: Pick<BrokerConnection, "endpoint" | "request">,
    options: RequestOptions,
  ): Promise<void> {
    const who = this.#current();
    const mechanism = who.mechanism.toUpperCase();
    const refused = (why: string): ClientError => {
      const endpoint = endpointText(connection.endpoint);
      return new ClientError(
        { code: "CLIENT_SASL_REFUSED", endpoint, mechanism, why },
        { message: `${endpoint} does not let this client in by ${mechanism}: ${why}` },
      );
    };
    const chosen = await connection.request(saslHandshake, { mechanism }, options).catch((error: unknown) => {
      throw isNotOffered(error) ? refused(ASKS_NOBODY) : error;
    });
    if (chosen.errorCode !== ErrorCode.NONE) throw refused(handshakeRefusal(chosen.errorCode, chosen.mechanisms));
    const step: Step = async (bytes) => {
      const answer = await connection.request(saslAuthenticate, { authBytes: Buffer.from(bytes) }, options);
      if (answer.errorCode === ErrorCode.NONE) return answer.authBytes.toString();
      throw refused(`${answer.errorMessage ?? errorName(answer.errorCode)}; check sasl of the region`);
    };
    try {
      await this.#steps(who, step);
    } catch (thrown) {
      if (thrown instanceof ScramRefusal) throw refused(`${thrown.message}; check sasl of the region`);
      throw thrown;
    }
  }

  async #steps(who: SaslOptions, step: Step): Promise<void> {
    if (who.mechanism === "plain") {
      await step(`\u0000${who.username}\u0000${who.password}`);
    } else if (who.mechanism === "oauthbearer") {
      // RFC 7628; an answer that is not empty is the broker's reason, which it repeats as an error for this empty step.
      const reason = await step(`n,,\u0001auth=Bearer ${who.token}\u0001\u0001`);
      if (reason !== "") await step("\u0001");
    } else {
      const scram = this.#scramOf(who);
      const nonce = Buffer.from(this.#random.bytes(NONCE_BYTES)).toString("base64url");
      const { message, expected } = scram.final(nonce, await step(scram.first(nonce)));
      checkServerFinal(await step(message), expected);
    }
  }

  #scramOf(who: ScramCredentials): Scram {
    if (this.#scram?.isOf(who) !== true) this.#scram = new Scram(who);
    return this.#scram;
  }
}

const ASKS_NOBODY = "its listener asks nobody; check the port, or remove sasl from the region";

function isNotOffered(error: unknown): boolean {
  return error instanceof ClientError && error.fault.code === "CLIENT_NO_VERSION";
}

function handshakeRefusal(errorCode: number, mechanisms: readonly string[]): string {
  if (errorCode === ErrorCode.UNSUPPORTED_SASL_MECHANISM)
    return `it knows ${mechanisms.join(", ") || "no mechanism"}; check sasl.mechanism of the region`;
  if (errorCode === ErrorCode.ILLEGAL_SASL_STATE) return ASKS_NOBODY;
  return errorName(errorCode);
}
