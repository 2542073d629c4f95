/**
 * Sockets whose other side has not said who it is: counted per address and in all, so that strangers cannot take
 * the place of users. A socket leaves the count when its first credential holds, or when it closes.
 */
import type { Socket } from "node:net";

export interface PendingLimits {
  readonly maxPerAddress: number;
  readonly maxCount: number;
}

/** Generous, because a proxy has one address for all; each holds a place for 5 s at most before it must speak. */
export const defaultPendingLimits: PendingLimits = { maxPerAddress: 8_192, maxCount: 16_384 };

export class PendingSockets {
  private readonly limits: PendingLimits;
  private readonly addressOf = new Map<Socket, string>();
  private readonly perAddress = new Map<string, number>();

  /** One listener for all sockets; it is off again once a socket has left. */
  private readonly onClose: (this: Socket) => void;

  constructor(limits: PendingLimits = defaultPendingLimits) {
    this.limits = limits;
    const leave = (socket: Socket): void => this.leave(socket);
    this.onClose = function () {
      leave(this);
    };
  }

  get count(): number {
    return this.addressOf.size;
  }

  /** Counts a socket in, once. False: there is no place for it. */
  enter(socket: Socket): boolean {
    if (this.addressOf.has(socket)) return true;
    const address = socket.remoteAddress ?? "";
    const held = this.perAddress.get(address) ?? 0;
    if (held >= this.limits.maxPerAddress || this.addressOf.size >= this.limits.maxCount) return false;
    this.addressOf.set(socket, address);
    this.perAddress.set(address, held + 1);
    socket.on("close", this.onClose);
    return true;
  }

  /** Counts a socket out; one that is not counted changes nothing. */
  leave(socket: Socket): void {
    const address = this.addressOf.get(socket);
    if (address === undefined) return;
    this.addressOf.delete(socket);
    socket.off("close", this.onClose);
    const left = (this.perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.perAddress.delete(address);
    else this.perAddress.set(address, left);
  }
}
