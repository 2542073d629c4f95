/**
 * What this process sends and receives, by the other side's port: sockets that it opened (to its store) and sockets that it
 * took (its clients'). The sockets count their own bytes; nothing is read twice.
 */
import { channel } from "node:diagnostics_channel";
import { Socket } from "node:net";

export interface Traffic {
  readonly inBytes: number;
  readonly outBytes: number;
}

/** Adds up what passes through the sockets that it is told of, the closed ones included. */
class Meter {
  private readonly open = new Set<Socket>();
  private inBytes = 0;
  private outBytes = 0;

  watch(socket: Socket): void {
    this.open.add(socket);
    socket.once("close", () => {
      if (!this.open.delete(socket)) return;
      this.inBytes += socket.bytesRead;
      this.outBytes += socket.bytesWritten;
    });
  }

  read(): Traffic {
    const sum = { inBytes: this.inBytes, outBytes: this.outBytes };
    for (const { bytesRead, bytesWritten } of this.open) {
      sum.inBytes += bytesRead;
      sum.outBytes += bytesWritten;
    }
    return sum;
  }
}

export interface Meters {
  readonly store: Meter;
  readonly clients: Meter;
}

/** From now on. `storePort` is where this process's connections to its store lead, `ownPort` where its clients come. */
export function watchTraffic(storePort: number, ownPort: () => number): Meters {
  const [store, clients] = [new Meter(), new Meter()];
  const connect = Socket.prototype.connect as (...given: unknown[]) => Socket;
  // Drivers make their sockets in ways of their own; all of them come here.
  Reflect.set(Socket.prototype, "connect", function (this: Socket, ...given: unknown[]): Socket {
    this.once("connect", () => {
      if (this.remotePort === storePort) store.watch(this);
    });
    return connect.apply(this, given);
  });
  channel("net.server.socket").subscribe((message) => {
    const { socket } = message as { socket: Socket };
    if (socket.localPort === ownPort()) clients.watch(socket);
  });
  return { store, clients };
}
