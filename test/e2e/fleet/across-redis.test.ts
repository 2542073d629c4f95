/** `support/across-on.ts`, on Redis. */
import { acrossOn } from "./support/across-on.ts";

acrossOn("redis");
