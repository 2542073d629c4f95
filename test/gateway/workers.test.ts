import { once } from "node:events";
import { connect } from "node:net";
import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import type { Colleagues } from "../../src/gateway/desk.ts";
import { openHouse } from "./support/house.ts";

describe("the metrics of a server with several workers", () => {
  it("show every worker that answers, and which one does not", async () => {
    const colleagues: Colleagues = {
      worker: 2,
      deaths: 0,
      others: [
        { worker: 1, deaths: 1, samples: { runcast_connections: [{ value: 7 }] } },
        { worker: 3, deaths: 0 },
      ],
    };
    const house = await openHouse({ gateway: { colleagues: () => Promise.resolve(colleagues) } });
    const { text } = await house.call("GET", "/metrics");
    expect(text).toContain('runcast_connections{worker="1"} 7\nruncast_connections{worker="2"} 0\n');
    expect(text).toContain(
      'runcast_worker_up{worker="1"} 1\nruncast_worker_up{worker="2"} 1\nruncast_worker_up{worker="3"} 0\n',
    );
    expect(text).toContain('runcast_worker_deaths_total{worker="1"} 1\n');
    await house.close();
  });

  it("are those of one alone when nobody tells of the others", async () => {
    const house = await openHouse({ gateway: { colleagues: () => Promise.resolve(undefined) } });
    expect((await house.call("GET", "/metrics")).text).toContain("\nruncast_connections 0\n");
    await house.close();
  });
});

describe("a server that goes", () => {
  it("keeps no connection for later once it drains, so that no proxy sends the next call to it", async () => {
    const house = await openHouse();
    expect((await house.call("GET", "/livez")).headers.get("connection")).toBe("keep-alive");
    await Effect.runPromise(house.runtime.drain);
    expect((await house.call("GET", "/livez")).headers.get("connection")).toBe("close");
    await house.close();
  });

  it("takes no new sockets once it has left, and answers on those that it has", async () => {
    const house = await openHouse();
    const socket = connect(house.port, "127.0.0.1").setEncoding("utf8");
    await once(socket, "connect");
    socket.write("GET /livez HTTP/1.1\r\nHost: runcast\r\n\r\n");
    // Idle now, and kept for later.
    await once(socket, "data");
    house.leave();
    const late = connect(house.port, "127.0.0.1");
    expect(await once(late, "error")).toMatchObject([{ code: "ECONNREFUSED" }]);
    socket.write("GET /livez HTTP/1.1\r\nHost: runcast\r\n\r\n");
    expect(String((await once(socket, "data"))[0])).toMatch(/^HTTP\/1\.1 200 OK\r\n.*^Connection: close\r\n/ms);
    socket.destroy();
    await house.close();
  });
});
