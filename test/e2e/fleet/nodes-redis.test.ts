/** `support/nodes-on.ts`, on Redis. */
import { nodesOn } from "./support/nodes-on.ts";

nodesOn("redis");
