/** A worker's connections to the model broker: delays, lost requests, lost acks, requests that arrive late or twice. */

import type { Clock } from "../../../../src/core/clock.ts";
import type { Random } from "../../../../src/core/random.ts";
import type { HistoryTarget } from "../../../../src/mirror/history/ports.ts";
import type { AppendOutcome, Target, TargetLimits } from "../../../../src/mirror/ports.ts";
import { BatchView } from "../../../../src/wire/record-batch.ts";
import { failed, type ModelBroker } from "./model-broker.ts";

/** Probabilities per request, and delays. */
export interface NetworkFaults {
  /** The connection breaks before the answer; requests behind it may still arrive, late. */
  readonly breaks: number;
  /** The broker refuses this request (no leader, corrupt bytes) but not those behind it. */
  readonly refuses: number;
  /** The same bytes arrive a second time, late. */
  readonly repeats: number;
  readonly delayMsMax: number;
}

/** Nothing goes wrong. */
export const NO_FAULTS: NetworkFaults = { breaks: 0, refuses: 0, repeats: 0, delayMsMax: 1 };

interface Request {
  /** What is being sent: the batch's own memory until the answer, a copy afterwards. */
  bytes: Buffer;
  readonly answer: (outcome: AppendOutcome) => void;
  /** Undefined, or a request that must not be applied. */
  readonly refused: boolean;
}

/** Settings of the model topic. */
export const MODEL_LIMITS: TargetLimits = {
  maxBatchBytes: 1_048_588,
  producerIdExpirationMs: 86_400_000,
  logAppendTime: false,
  retentionMs: undefined,
};

/** One worker's view of the target; several share a broker. */
export class ModelTarget implements Target {
  readonly clusterId: string;
  history: HistoryTarget | undefined;
  limitsNow: TargetLimits = MODEL_LIMITS;
  readonly #broker: ModelBroker;
  readonly #clock: Clock;
  readonly #random: Random;
  faults: NetworkFaults;
  #connection: Request[] = [];
  #delivering = false;
  inFlightMax = 0;
  inFlightBeforeFirstAckMax = 0;
  #inFlight = 0;
  #acked = false;

  constructor(
    options: { readonly clusterId: string; readonly faults: NetworkFaults },
    deps: { readonly broker: ModelBroker; readonly clock: Clock; readonly random: Random },
  ) {
    this.clusterId = options.clusterId;
    this.faults = options.faults;
    this.#broker = deps.broker;
    this.#clock = deps.clock;
    this.#random = deps.random;
  }

  /** From now on everything goes well. */
  calm(): void {
    this.faults = NO_FAULTS;
  }

  append(_partition: unknown, batch: BatchView): Promise<AppendOutcome> {
    this.#countIn();
    return new Promise((resolve) => {
      const refused = this.#random.next() < this.faults.refuses;
      const answer = (outcome: AppendOutcome): void => {
        request.bytes = Buffer.from(request.bytes);
        this.#inFlight--;
        this.#acked ||= outcome.kind === "appended";
        resolve(outcome);
      };
      const request: Request = { bytes: batch.bytes, answer, refused };
      this.#connection.push(request);
      this.#deliverNext();
    });
  }

  #countIn(): void {
    this.#inFlight++;
    this.inFlightMax = Math.max(this.inFlightMax, this.#inFlight);
    if (!this.#acked) this.inFlightBeforeFirstAckMax = Math.max(this.inFlightBeforeFirstAckMax, this.#inFlight);
  }

  async producer(_partition: unknown, producerId: bigint) {
    await this.#pause();
    const memory = this.#broker.producers.get(producerId);
    const last = memory?.batches.at(-1);
    return memory === undefined ? undefined : { epoch: memory.epoch, lastSequence: last?.last ?? -1 };
  }

  async bounds() {
    await this.#pause();
    return { startOffset: this.#broker.startOffset, endOffset: this.#broker.highWatermark };
  }

  async *scan(_partition: unknown, from: bigint, to: bigint) {
    await this.#pause();
    for (const batch of this.#broker.log) {
      if (batch.lastOffset < from || batch.baseOffset < this.#broker.startOffset) continue;
      if (batch.baseOffset >= to) return;
      yield Buffer.from(batch.bytes);
    }
  }

  async limits() {
    return this.limitsNow;
  }
  async topics() {
    return [];
  }
  async createTopic() {
    return undefined;
  }
  async growTopic() {}

  /** The process dies: what was sent may still arrive. */
  crash(): void {
    this.#break();
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#clock.after(this.#random.next() * this.faults.delayMsMax, resolve));
  }

  /** One connection delivers in order, one request after the other. */
  #deliverNext(): void {
    const connection = this.#connection;
    if (this.#delivering || connection.length === 0) return;
    this.#delivering = true;
    this.#clock.after(this.#random.next() * this.faults.delayMsMax, () => {
      if (connection !== this.#connection) return;
      this.#delivering = false;
      const request = connection[0];
      if (request === undefined) return;
      if (this.#random.next() < this.faults.breaks) this.#break();
      else {
        connection.shift();
        this.#apply(request);
      }
      this.#deliverNext();
    });
  }

  #apply(request: Request): void {
    if (request.refused) {
      request.answer(failed("NOT_LEADER_OR_FOLLOWER"));
      return;
    }
    const stored = this.#broker.append(view(request.bytes));
    if (stored.kind === "refused") request.answer(failed(stored.why));
    else this.#answerWhenCommitted(request, stored);
    if (this.#random.next() < this.faults.repeats) this.#arriveLate(request);
  }

  #answerWhenCommitted(request: Request, stored: { readonly baseOffset: bigint; readonly nextOffset: bigint }): void {
    const broker = this.#broker;
    const { leaderEpoch } = broker;
    const poll = (): void => {
      if (broker.leaderEpoch !== leaderEpoch) request.answer(failed("NOT_LEADER_OR_FOLLOWER"));
      else if (broker.highWatermark >= stored.nextOffset)
        request.answer({ kind: "appended", baseOffset: stored.baseOffset });
      else this.#clock.after(1, poll);
    };
    poll();
  }

  /** Some of what was sent arrives later, in order: a connection is a queue. */
  #break(): void {
    const cut = this.#connection;
    this.#connection = [];
    this.#delivering = false;
    const arriving = Math.floor(this.#random.next() * (cut.length + 1));
    let delayMs = 0;
    for (const [index, request] of cut.entries()) {
      request.answer(failed("DISCONNECTED"));
      if (index >= arriving || request.refused) continue;
      delayMs += this.#random.next() * 200;
      this.#clock.after(delayMs, () => this.#broker.append(view(request.bytes)));
    }
  }

  #arriveLate(request: Request): void {
    this.#clock.after(this.#random.next() * 300, () => this.#broker.append(view(request.bytes)));
  }
}

function view(bytes: Buffer): BatchView {
  return new BatchView(bytes, 0, bytes.length);
}
