/**
 * What delivery counts, for the metrics: a few additions a commit and a frame, none an event. The hub, its outboxes and
 * nobody else write it.
 */
import { LatencyHistogram } from "../telemetry/histogram.ts";

export class DeliveryFigures {
  /** Events that connections were due, counted once for each. */
  attempts = 0;
  /** Of those, handed to a socket, or covered by the range of a frame that was. */
  deliveries = 0;
  /** Of those, acknowledged by the device. */
  acked = 0;
  /** From the bell of a commit until all live connections of its user have been handed it. */
  readonly commitToSent = new LatencyHistogram();
  /** One frame at a time of each connection: from the hand-over to its ack. */
  readonly sentToAcked = new LatencyHistogram();
  /** Monotonic milliseconds. */
  readonly mono: () => number;

  constructor(mono: () => number) {
    this.mono = mono;
  }
}
