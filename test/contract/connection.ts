/** The thinnest possible client: one socket, the wire codec, nothing that could smooth over what a broker answers. */

import { connect, type Socket } from "node:net";
import { type Api, correlationIdOf, decodeResponse, encodeRequest } from "../../src/wire/api.ts";
import { FrameDecoder } from "../../src/wire/frame.ts";

/** No answer of a healthy broker takes this long; a shared machine can make it slow, not silent. */
const ANSWER_TIMEOUT_MS = 20_000;

/** Where a broker listens. */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** One connection; requests may be pipelined, answers come back in order. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (answer: Buffer | Error) => void>();
  #correlationId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const decoder = new FrameDecoder();
    socket.on("data", (chunk) =>
      decoder.push(chunk, (frame) => {
        const id = correlationIdOf(frame);
        this.#waiting.get(id)?.(frame);
        this.#waiting.delete(id);
      }),
    );
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const settle of this.#waiting.values()) settle(new Error("connection closed by the broker"));
      this.#waiting.clear();
    });
  }

  static open(address: BrokerAddress): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ ...address, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new RawConnection(socket)));
    });
  }

  /** Sends one request and resolves with its decoded answer; rejects when the broker closes the connection instead. */
  async ask<RI, SO>(api: Api<unknown, RI, SO, never>, apiVersion: number, body: RI): Promise<SO> {
    const frame = await this.#send(api, apiVersion, body);
    return decodeResponse(api, apiVersion, frame);
  }

  /** Sends a request that has no answer (produce with acks 0). */
  tell<RI>(api: Api<unknown, RI, unknown, never>, apiVersion: number, body: RI): void {
    const header = { apiVersion, correlationId: ++this.#correlationId, clientId: "contract" };
    for (const part of encodeRequest(api, header, body)) this.#socket.write(part);
  }

  /** Sends bytes as they are; resolves with the next frame, or "closed". */
  async raw(bytes: Uint8Array, correlationId: number): Promise<Buffer | "closed"> {
    const answer = this.#answerTo(correlationId);
    this.#socket.write(bytes);
    try {
      return await answer;
    } catch {
      return "closed";
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #send<RI>(api: Api<unknown, RI, unknown, never>, apiVersion: number, body: RI): Promise<Buffer> {
    const correlationId = ++this.#correlationId;
    const answer = this.#answerTo(correlationId);
    const parts = encodeRequest(api, { apiVersion, correlationId, clientId: "contract" }, body);
    this.#socket.write(Buffer.concat(parts));
    return answer;
  }

  #answerTo(correlationId: number): Promise<Buffer> {
    const answer = new Promise<Buffer>((resolve, reject) => {
      const overdue = setTimeout(
        () => reject(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)),
        ANSWER_TIMEOUT_MS,
      );
      this.#waiting.set(correlationId, (answer) => {
        clearTimeout(overdue);
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      });
    });
    // Whoever waits sees a rejection; a case that failed elsewhere waits no longer, and must not end the process.
    answer.catch(() => undefined);
    return answer;
  }
}
