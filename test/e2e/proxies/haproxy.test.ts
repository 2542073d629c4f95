import { behindProxy } from "./support/behind-proxy.ts";
import { twoNodesBehind } from "./support/two-nodes.ts";

behindProxy("haproxy");
twoNodesBehind("haproxy", "redis");
