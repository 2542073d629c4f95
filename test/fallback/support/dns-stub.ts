/** A real name server on loopback: answers A queries as the test says, and counts them. */
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import type { ResolveHost } from "../../../src/fallback/guarded-request.ts";

const headerBytes = 12;
const answerFlags = 0x8180;
/** A, IN, TTL 0: "do not keep it", as who rebinds says. */
const recordHead = Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);

/** The addresses of the nth query of a name, from 0. */
export type Records = (query: number) => readonly string[];

export class DnsStub {
  queries = 0;
  private readonly socket = createSocket("udp4");
  private readonly resolver = new Resolver();

  static async open(records: Records): Promise<DnsStub> {
    const stub = new DnsStub();
    stub.socket.on("message", (query, from) => {
      const addresses = records(stub.queries);
      stub.queries += 1;
      const head = Buffer.from(query.subarray(0, headerBytes));
      head.writeUInt16BE(answerFlags, 2);
      head.writeUInt16BE(addresses.length, 6);
      head.fill(0, 8);
      // The name ends at a zero byte; type and class follow.
      const question = query.subarray(headerBytes, query.indexOf(0, headerBytes) + 5);
      const body = addresses.flatMap((address) => [recordHead, Buffer.from(address.split(".").map(Number))]);
      stub.socket.send(Buffer.concat([head, question, ...body]), from.port, from.address);
    });
    stub.socket.bind(0, "127.0.0.1");
    await once(stub.socket, "listening");
    stub.resolver.setServers([`127.0.0.1:${stub.socket.address().port}`]);
    return stub;
  }

  readonly resolve: ResolveHost = async (host) =>
    (await this.resolver.resolve4(host)).map((address) => ({ address, family: 4 }));

  async [Symbol.asyncDispose](): Promise<void> {
    this.resolver.cancel();
    this.socket.close();
    await once(this.socket, "close");
  }
}
