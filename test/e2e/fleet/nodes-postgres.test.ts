/** `support/nodes-on.ts`, on PostgreSQL. */
import { nodesOn } from "./support/nodes-on.ts";

nodesOn("postgres");
